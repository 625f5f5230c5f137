import { z } from "zod";
import { type Disk, DiskError } from "../env/disk.ts";
import type { Member } from "./cluster.ts";

/** Beside snapshot and log: who the others are, for a member that can read neither. A hint, never what counts. */
export interface KnownMembers {
  readonly clusterId: bigint;
  readonly members: readonly Member[];
}

/** Of a cluster or a member, as text: hexadecimal. */
export const IdText = z.string().regex(/^[0-9a-f]{1,16}$/);

/** A member in JSON. */
export const MemberText = z.object({
  id: IdText,
  name: z.string(),
  publicKey: z.string(),
  peerAddresses: z.array(z.string()),
  clientUrls: z.array(z.string()),
  role: z.enum(["voter", "learner", "witness"]),
});
export type MemberText = z.infer<typeof MemberText>;

export function idText(id: bigint): string {
  return id.toString(16);
}

export function readIdText(text: string): bigint {
  return BigInt(`0x${text}`);
}

export function memberText({ id, peerAddresses, clientUrls, ...rest }: Member): MemberText {
  return { id: idText(id), ...rest, peerAddresses: [...peerAddresses], clientUrls: [...clientUrls] };
}

export function readMemberText(member: MemberText): Member {
  return { ...member, id: readIdText(member.id) };
}

const MembersFile = z.object({ version: z.literal(1), clusterId: IdText, members: z.array(MemberText) });

const pathOf = (directory: string) => `${directory}/members.json`;

export async function writeMembersFile(
  disk: Disk,
  directory: string,
  { clusterId, members }: KnownMembers,
): Promise<void> {
  const file = { version: 1, clusterId: idText(clusterId), members: members.map(memberText) };
  await disk.writeFileAtomic(pathOf(directory), new TextEncoder().encode(`${JSON.stringify(file, null, 2)}\n`));
}

/** undefined: there is none, or it says nothing that can be read. */
export async function readMembersFile(disk: Disk, directory: string): Promise<KnownMembers | undefined> {
  try {
    const text = new TextDecoder().decode(await disk.readFile(pathOf(directory)));
    const { clusterId, members } = MembersFile.parse(JSON.parse(text));
    return { clusterId: readIdText(clusterId), members: members.map(readMemberText) };
  } catch (error) {
    if (error instanceof DiskError || error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

const markPath = (directory: string) => `${directory}/place-lost`;

/** The others know this member by another number now: at its next start it has to ask for its place again. */
export function markPlaceLost(disk: Disk, directory: string): Promise<void> {
  return disk.writeFileAtomic(markPath(directory), new Uint8Array(0));
}

export function isPlaceLost(disk: Disk, directory: string): Promise<boolean> {
  return disk.exists(markPath(directory));
}
