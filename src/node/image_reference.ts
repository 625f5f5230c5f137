/** Names of images, by the grammar of the distribution project: [host[:port]/]path[:tag][@digest]. */
const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const hostLabel = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const host = `(?:${hostLabel}(?:\\.${hostLabel})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const reference = new RegExp(
  `^(?:${host}/)?${component}(?:/${component})*(?::[\\w][\\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$`,
);

/** Why the name cannot be one of an image, in the words that clients of Kubernetes see; undefined when it can. */
export function imageNameProblem(image: string): string | undefined {
  if (reference.test(image) && image.length <= 4096) return undefined;
  if (reference.test(image.toLowerCase()))
    return `couldn't parse image name "${image}": invalid reference format: repository name must be lowercase`;
  return `couldn't parse image name "${image}": invalid reference format`;
}
