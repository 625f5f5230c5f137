import { type ConfState, noConf } from "../raft/types.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { Member } from "./cluster.ts";
import { StoreError } from "./store.ts";

/** What a command does to the members. All but the last change who votes, one step at a time (§4.1). */
export type MemberChange =
  | { readonly type: "memberAdd"; readonly member: Member }
  | { readonly type: "memberPromote"; readonly id: bigint }
  | { readonly type: "memberRemove"; readonly id: bigint }
  /** A member has lost its data: it goes, and comes back as a learner under another number, in one step. */
  | { readonly type: "memberReplace"; readonly id: bigint; readonly member: Member }
  | { readonly type: "memberUpdate"; readonly member: Omit<Member, "role"> };

const roles = ["voter", "learner", "witness"] as const;

/** The members as the log says: a function of its entries, and so the same on each of them at the same index. */
export class Members {
  #members = new Map<bigint, Member>();
  /** Grows with each change. */
  changes = 0;

  restore(members: readonly Member[]): void {
    this.changes++;
    this.#members = new Map(members.map((member) => [member.id, member]));
  }

  /** By id, ascending. */
  list(): Member[] {
    return [...this.#members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  get(id: bigint): Member | undefined {
    return this.#members.get(id);
  }

  byPublicKey(publicKey: string): Member | undefined {
    return publicKey === "" ? undefined : this.list().find((member) => member.publicKey === publicKey);
  }

  conf(): ConfState {
    const having = (...wanted: readonly Member["role"][]) =>
      this.list()
        .filter(({ role }) => wanted.includes(role))
        .map(({ id }) => id);
    return {
      ...noConf,
      voters: having("voter", "witness"),
      learners: having("learner"),
      witnesses: having("witness"),
    };
  }

  /** Throws InvalidArgument, and changes nothing, for what makes no sense by the time that it is applied. */
  apply(change: MemberChange): void {
    this.changes++;
    switch (change.type) {
      case "memberAdd":
        if (this.#members.has(change.member.id) || this.byPublicKey(change.member.publicKey) !== undefined)
          throw new StoreError("InvalidArgument", `Cannot add member ${change.member.id}: it is there already`);
        this.#members.set(change.member.id, change.member);
        return;
      case "memberPromote": {
        const member = this.#known(change.id, "promote");
        if (member.role !== "learner")
          throw new StoreError(
            "InvalidArgument",
            `Cannot promote member ${change.id}: it is no learner but a ${member.role}`,
          );
        this.#members.set(change.id, { ...member, role: "voter" });
        return;
      }
      case "memberRemove": {
        const member = this.#known(change.id, "remove");
        if (member.role === "voter" && this.list().filter(({ role }) => role === "voter").length === 1)
          throw new StoreError(
            "InvalidArgument",
            `Cannot remove member ${change.id}: it is the last one that votes and holds data`,
          );
        this.#members.delete(change.id);
        return;
      }
      case "memberReplace":
        this.apply({ type: "memberRemove", id: change.id });
        this.#members.set(change.member.id, { ...change.member, role: "learner" });
        return;
      case "memberUpdate": {
        const { role } = this.#known(change.member.id, "update");
        this.#members.set(change.member.id, { ...change.member, role });
        return;
      }
    }
  }

  #known(id: bigint, action: string): Member {
    const member = this.#members.get(id);
    if (member === undefined)
      throw new StoreError("InvalidArgument", `Cannot ${action} member ${id}: there is none of that id`);
    return member;
  }
}

/** A member of data that was written before members had names and keys. */
export function unknownMember(id: bigint): Member {
  return { id, name: "", peerAddresses: [], clientUrls: [], publicKey: "", role: "voter" };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function writeText(writer: ByteWriter, text: string): void {
  writer.bytes(encoder.encode(text));
}

function readText(reader: ByteReader): string {
  return decoder.decode(reader.bytes());
}

function writeTexts(writer: ByteWriter, texts: readonly string[]): void {
  writer.varint(texts.length);
  for (const text of texts) writeText(writer, text);
}

function readTexts(reader: ByteReader): string[] {
  return Array.from({ length: reader.varint() }, () => readText(reader));
}

export function writeMember(writer: ByteWriter, member: Member): void {
  writer.u64(member.id);
  writer.u8(roles.indexOf(member.role));
  writeText(writer, member.name);
  writeText(writer, member.publicKey);
  writeTexts(writer, member.peerAddresses);
  writeTexts(writer, member.clientUrls);
}

export function readMember(reader: ByteReader): Member {
  const id = reader.u64();
  const role = roles[reader.u8()];
  if (role === undefined) throw new RangeError(`member ${id} has a role that this program does not know`);
  const [name, publicKey] = [readText(reader), readText(reader)];
  return { id, role, name, publicKey, peerAddresses: readTexts(reader), clientUrls: readTexts(reader) };
}
