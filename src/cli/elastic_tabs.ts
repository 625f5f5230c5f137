export interface TabStops {
  /** Least width of a column, padding included. */
  readonly minWidth: number;
  readonly padding: number;
}

/** kubectl's tables. */
export const tableStops: TabStops = { minWidth: 6, padding: 3 };
/** kubectl's describe. */
export const describeStops: TabStops = { minWidth: 0, padding: 2 };

/**
 * Aligns cells that end in a tab. A column is a block of consecutive lines that have such a cell at that place; the text
 * after a line's last tab belongs to no column.
 */
export function alignTabs(text: string, { minWidth, padding }: TabStops): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const widths: number[][] = lines.map(() => []);
  const measure = (column: number, from: number, to: number) => {
    for (let start = from; start < to; start++) {
      if (column >= (lines[start]?.length ?? 0) - 1) continue;
      let end = start;
      let width = minWidth;
      for (; end < to; end++) {
        const cells = lines[end] ?? [];
        if (column >= cells.length - 1) break;
        width = Math.max(width, [...(cells[column] ?? "")].length + padding);
      }
      for (let line = start; line < end; line++) widths[line]?.push(width);
      measure(column + 1, start, end);
      start = end - 1;
    }
  };
  measure(0, 0, lines.length);
  return lines
    .map((cells, line) =>
      cells
        .map((cell, column) =>
          column === cells.length - 1
            ? cell
            : cell + " ".repeat(Math.max(0, (widths[line]?.[column] ?? 0) - [...cell].length)),
        )
        .join(""),
    )
    .join("\n");
}
