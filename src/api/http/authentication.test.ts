import { expect, test } from "bun:test";
import { createAuthenticator, type KnownToken, knownToken } from "./authentication.ts";

const ann = knownToken("token-of-ann-0123", { name: "ann", groups: ["devs"] });
const bob = knownToken("token-of-bob-0123", { name: "bob", groups: [] });
const request = (token: string) => new Request("https://localhost/", { headers: { authorization: `Bearer ${token}` } });

test("a connection that shows another token is somebody else", () => {
  const authenticate = createAuthenticator(() => [ann, bob]);
  const peer = { address: "127.0.0.1" };
  expect(authenticate(request("token-of-ann-0123"), peer)?.name).toBe("ann");
  expect(authenticate(request("token-of-ann-0123"), peer)?.groups).toEqual(["devs", "system:authenticated"]);
  expect(authenticate(request("token-of-bob-0123"), peer)?.name).toBe("bob");
  expect(() => authenticate(request("token-of-ann-012"), peer)).toThrow("Unauthorized");
  expect(authenticate(new Request("https://localhost/"), peer)).toBeUndefined();
});

test("a token that is no longer known is refused, also on a connection that has shown it before", () => {
  let tokens: KnownToken[] = [ann];
  const authenticate = createAuthenticator(() => tokens);
  const peer = { address: "127.0.0.1" };
  expect(authenticate(request("token-of-ann-0123"), peer)?.name).toBe("ann");
  tokens = [bob];
  expect(() => authenticate(request("token-of-ann-0123"), peer)).toThrow("Unauthorized");
});
