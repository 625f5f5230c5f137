# Sourced by test.sh, build.sh and demo.sh in the repository's root: from Node 20 and npm to a bun on the PATH.
for program in node npm; do
  command -v "$program" >/dev/null 2>&1 || {
    echo "error: $program is not installed; Node 20 and npm are needed, for example by: apt-get install nodejs npm" >&2
    exit 1
  }
done
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || {
  echo "error: this is node $(node --version); Node 20 or newer is needed" >&2
  exit 1
}
# Installed already: every package of the lock file that this platform needs, in its version.
node -e '
  const packages = (file) => Object.entries(JSON.parse(require("fs").readFileSync(file)).packages).filter(([path]) => path !== "");
  const installed = new Map(packages("node_modules/.package-lock.json"));
  const same = ([path, { version, optional }]) => (installed.has(path) ? installed.get(path).version === version : optional === true);
  process.exit(packages("package-lock.json").every(same) ? 0 : 1);
' 2>/dev/null || {
  echo "installing npm packages (npm ci)" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
}
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
