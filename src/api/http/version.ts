export interface BuildInfo {
  /** Wherry's own version: "0.1.0". */
  readonly version: string;
  readonly gitCommit?: string;
  /** RFC 3339. */
  readonly buildDate?: string;
  /** What runs us: "bun 1.4.5". */
  readonly runtime?: string;
  /** "linux/amd64". */
  readonly platform?: string;
}

/** The Kubernetes whose API this is. */
export const kubernetesMinor = 35;

/** v1.35.0+wherry.0.1.0 */
export function gitVersion(build: BuildInfo): string {
  return `v1.${kubernetesMinor}.0+wherry.${build.version}`;
}

/** GET /version, the fields of apimachinery's version.Info. */
export function versionInfo(build: BuildInfo) {
  return {
    major: "1",
    minor: String(kubernetesMinor),
    emulationMajor: "1",
    emulationMinor: String(kubernetesMinor),
    minCompatibilityMajor: "1",
    minCompatibilityMinor: String(kubernetesMinor - 1),
    gitVersion: gitVersion(build),
    gitCommit: build.gitCommit ?? "",
    gitTreeState: "clean",
    buildDate: build.buildDate ?? "1970-01-01T00:00:00Z",
    goVersion: build.runtime ?? "",
    compiler: "bun",
    platform: build.platform ?? "linux/amd64",
  };
}
