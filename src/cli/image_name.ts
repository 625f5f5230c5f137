/** A container's name out of its image's: "registry:5000/team/nginx:1.27@sha256:..." is "nginx". */
export function containerNameOf(image: string): string {
  const last = image.slice(image.lastIndexOf("/") + 1);
  const name = last.split("@")[0]?.split(":")[0] ?? "";
  return name.toLowerCase().replace(/[^-a-z0-9]/g, "-");
}
