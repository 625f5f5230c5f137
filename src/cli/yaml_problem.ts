/** What the yaml package says is wrong, and where, without its picture of the place. */
export function yamlProblem(message: string): string {
  return (message.split("\n")[0] ?? "").replace(/:$/, "");
}
