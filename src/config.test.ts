import { describe, expect, test } from "bun:test";
import { ConfigError, readConfig } from "./config.ts";

function read(argv: string[], environment: Record<string, string> = {}, yaml: unknown = undefined) {
  return readConfig({
    argv,
    environment,
    readYaml: () => yaml,
    hostName: () => "Boat",
    hostAddress: () => "192.0.2.7",
  });
}

describe("readConfig", () => {
  test("fills in the published defaults and what the machine knows", () => {
    const config = read([]);
    expect(config.dataDir).toBe("/var/lib/wherry");
    expect(config.writeKubeconfig).toBe("/var/lib/wherry/kubeconfig.yaml");
    expect(config.nodeName).toBe("boat");
    expect(config.nodeIp).toBe("192.0.2.7");
    expect(config.httpsListenPort).toBe(6443);
    expect(config.nodePortRange).toEqual({ from: 30000, to: 32767 });
  });

  test("a flag wins over a variable, a variable over the file", () => {
    const environment = { WHERRY_HTTPS_LISTEN_PORT: "7000", WHERRY_NODE_NAME: "fromvar" };
    const file = { "https-listen-port": 8000, "node-name": "fromfile", "log-level": "warn" };
    const config = read(["--https-listen-port=6000", "--config", "/etc/w.yaml"], environment, file);
    expect(config.httpsListenPort).toBe(6000);
    expect(config.nodeName).toBe("fromvar");
    expect(config.logLevel).toBe("warn");
  });

  test("an unknown flag gets the nearest word", () => {
    expect(() => read(["--data-dri", "/x"])).toThrow(
      new ConfigError('unknown setting --data-dri; did you mean "data-dir"? (all of them: wherry up --help)'),
    );
  });

  test("a bad value is named with its source and what it must be", () => {
    expect(() => read(["--https-listen-port", "70000"])).toThrow(
      new ConfigError('--https-listen-port "70000" must be at most 65535'),
    );
    expect(() => read([], { WHERRY_CLUSTER_CIDR: "10.42.0.1/16" })).toThrow(
      /^WHERRY_CLUSTER_CIDR "10.42.0.1\/16" must be/,
    );
  });

  test("--disable takes several names, at once and one by one", () => {
    expect(read(["--disable", "kubelet,proxy"]).disable).toEqual(["kubelet", "proxy"]);
    expect(read(["--disable", "kubelet", "--disable=proxy"]).disable).toEqual(["kubelet", "proxy"]);
    expect(() => read(["--disable", "kublet"])).toThrow(/must be among/);
  });

  test("networks that overlap are refused", () => {
    expect(() => read(["--service-cidr", "10.42.128.0/20"])).toThrow(/overlap/);
    expect(read(["--service-cidr", "10.41.0.0/16"]).serviceCidr).toBe("10.41.0.0/16");
  });

  test("a token is never repeated in an error", () => {
    expect(() => read(["--token", "short"])).toThrow(new ConfigError("--token must have at least 16 characters"));
  });

  test.each(["127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.1"])("a node's address cannot be %s", (address) => {
    expect(() => read(["--node-ip", address])).toThrow(ConfigError);
    expect(() => read(["--node-ip", address])).toThrow(
      `--node-ip ${address}: pods reach the API server at this address`,
    );
    expect(() => read([], { WHERRY_NODE_IP: address })).toThrow(`WHERRY_NODE_IP ${address}: pods`);
  });

  test("a machine without an address of its own is told to give one", () => {
    const alone = {
      environment: {},
      readYaml: () => undefined,
      hostName: () => "boat",
      hostAddress: () => "127.0.0.1",
    };
    expect(() => readConfig({ ...alone, argv: [] })).toThrow(
      /^node-ip is not given, and this machine's own address is 127\.0\.0\.1: .*as in --node-ip 192\.0\.2\.7$/,
    );
    expect(readConfig({ ...alone, argv: ["--node-ip", "10.0.0.5"] }).nodeIp).toBe("10.0.0.5");
  });
});
