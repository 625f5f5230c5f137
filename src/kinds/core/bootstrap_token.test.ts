import { expect, test } from "bun:test";
import {
  authorityHash,
  bootstrapTokenSecret,
  formatJoinToken,
  parseJoinToken,
  refuseJoin,
  tokenCharacters,
} from "./bootstrap_token.ts";
import type { Secret } from "./secret.ts";

const nowMs = Date.UTC(2026, 0, 1);
const stored = (id: string, secret: string, expiresAt: string, change: Partial<Secret> = {}): Secret => {
  const { stringData = {}, ...rest } = bootstrapTokenSecret(id, secret, expiresAt, "a test");
  return {
    ...rest,
    data: Object.fromEntries(Object.entries(stringData).map(([key, text]) => [key, btoa(text)])),
    ...change,
  };
};

test("a join token comes back from its text, and nothing else is taken for one", () => {
  const token = { authoritySha256: authorityHash("PEM\n"), id: "abc123", secret: "0123456789abcdef" };
  const text = formatJoinToken(token);
  expect(parseJoinToken(` ${text}\n`)).toEqual(token);
  expect(authorityHash("PEM")).toBe(token.authoritySha256);
  for (const wrong of ["", text.slice(1), `${text}0`, text.replace("w1", "w2"), text.toUpperCase()])
    expect(parseJoinToken(wrong)).toBeUndefined();
});

test("a token lets in only with its secret, before its end, and for joining", () => {
  const secret = "0123456789abcdef";
  const valid = stored("abc123", secret, "2026-01-02T00:00:00Z");
  expect(refuseJoin(valid, secret, nowMs)).toBeUndefined();
  expect(refuseJoin(valid, "0123456789abcdee", nowMs)).toContain("not known");
  expect(refuseJoin(undefined, secret, nowMs)).toContain("not known");
  expect(refuseJoin(undefined, "", nowMs)).toContain("not known");
  expect(refuseJoin(stored("abc123", secret, "2026-01-01T00:00:00Z"), secret, nowMs)).toContain("expired");
  expect(refuseJoin(stored("abc123", secret, "soon"), secret, nowMs)).toContain("expired");
  expect(refuseJoin(stored("abc123", secret, "", { type: "Opaque" }), secret, nowMs)).toContain("not known");
  const { "usage-bootstrap-wherry-join": _, ...data } = valid.data ?? {};
  expect(refuseJoin({ ...valid, data }, secret, nowMs)).toContain("not meant");
});

test("token characters are drawn evenly from the alphabet", () => {
  let next = 0;
  const text = tokenCharacters(252, (count) => Uint8Array.from({ length: count }, () => next++ % 256));
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  expect([...counts.values()]).toEqual(Array.from({ length: 36 }, () => 7));
});
