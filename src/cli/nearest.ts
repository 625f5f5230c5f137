/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`. */
function distance(a: string, b: string): number {
  const rows: number[][] = [];
  for (let i = 0; i <= a.length; i++) {
    const row: number[] = [i];
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1];
      if (above === undefined) {
        row.push(j);
        continue;
      }
      let least = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      least = Math.min(least, (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** The words that a person may have meant, nearest first; none when nothing is near. */
export function nearestWords(given: string, words: Iterable<string>): string[] {
  const limit = Math.max(1, Math.min(3, Math.floor(given.length / 2)));
  return [...new Set(words)]
    .map((word) => ({ word, edits: distance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits || a.word.localeCompare(b.word))
    .slice(0, 3)
    .map(({ word }) => word);
}

/** "; did you mean "pods"?", or nothing. */
export function didYouMean(given: string, words: Iterable<string>): string {
  const near = nearestWords(given, words);
  return near.length === 0 ? "" : `; did you mean ${near.map((word) => `"${word}"`).join(" or ")}?`;
}
