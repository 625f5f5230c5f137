import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { contains, gatewayOf, macOf, nextAddress } from "./address_pool.ts";

describe("addresses of pods", () => {
  test("begin after the gateway and go round past the last one given", () => {
    expect(gatewayOf("10.42.3.0/24")).toBe("10.42.3.1");
    expect(nextAddress("10.42.3.0/24", new Set(), undefined)).toBe("10.42.3.2/24");
    expect(nextAddress("10.42.3.0/24", new Set(["10.42.3.8/24"]), "10.42.3.7/24")).toBe("10.42.3.9/24");
    expect(nextAddress("10.42.3.0/24", new Set(), "10.42.3.254/24")).toBe("10.42.3.2/24");
    expect(nextAddress("10.42.3.0/24", new Set(), "10.99.0.4/24")).toBe("10.42.3.2/24");
  });

  test("run out when all are taken, and never name the network, gateway or broadcast address", () => {
    fc.assert(
      fc.property(fc.integer({ min: 24, max: 30 }), fc.integer({ min: 0, max: 255 }), (prefix, last) => {
        const cidr = `10.42.0.0/${prefix}`;
        const taken = new Set<string>();
        let address = nextAddress(cidr, taken, `10.42.0.${last}/${prefix}`);
        while (address !== undefined) {
          expect(taken.has(address)).toBe(false);
          expect(contains(cidr, address.split("/")[0] ?? "")).toBe(true);
          taken.add(address);
          address = nextAddress(cidr, taken, address);
        }
        expect(taken.size).toBe(2 ** (32 - prefix) - 3);
        expect(taken.has(`10.42.0.0/${prefix}`)).toBe(false);
        expect(taken.has(`10.42.0.1/${prefix}`)).toBe(false);
        expect(taken.has(`10.42.0.${2 ** (32 - prefix) - 1}/${prefix}`)).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  test("have a MAC address that follows from them", () => {
    expect(macOf("10.42.0.255/24")).toBe("0a:58:0a:2a:00:ff");
  });

  test("of a network that is none are refused with its text", () => {
    expect(() => nextAddress("10.42.0.0", new Set(), undefined)).toThrow('"10.42.0.0"');
  });
});
