import { type MemberId, type Message, noMember } from "./types.ts";

/**
 * All that a witness knows. `lastTerm` and `lastIndex` are its mark: the last entry that it has acknowledged. It holds no data, so the
 * mark is a promise about others: who wins its vote has that entry.
 */
export interface WitnessRecord {
  readonly term: number;
  readonly vote: MemberId;
  readonly lastTerm: number;
  readonly lastIndex: number;
}

export const emptyWitnessRecord: WitnessRecord = { term: 0, vote: noMember, lastTerm: 0, lastIndex: 0 };

export interface WitnessStep {
  /** The same object when nothing changed. Otherwise it is made durable before the reply is sent. */
  readonly record: WitnessRecord;
  readonly reply: Message | undefined;
}

/**
 * What the witness `id` makes of a message. Without clock or state of its own: whoever can read the record and replace it may take
 * this step in the witness's name (`WitnessRegister`).
 */
export function stepWitness(id: MemberId, record: WitnessRecord, message: Message): WitnessStep {
  const envelope = { from: id, to: message.from };
  switch (message.type) {
    case "requestVote": {
      // §3.4: one vote a term. §3.6.1: only for a log that has what was acknowledged here.
      const free = message.term > record.term || (message.term === record.term && isFreeFor(record, message.from));
      const grant = free && reachesMark(record, message);
      const voted = { ...record, term: message.term, vote: message.from };
      return {
        // A refusal promises nothing, and so is not worth a write.
        record: grant && !(record.term === voted.term && record.vote === voted.vote) ? voted : record,
        reply: {
          ...envelope,
          type: "requestVoteResponse",
          term: Math.max(message.term, record.term),
          reject: !grant,
          commit: 0,
          commitTerm: 0,
        },
      };
    }
    case "requestPreVote": {
      // §9.6: whether it would be voted for; nothing changes.
      const free = message.term > record.term || (message.term === record.term && isFreeFor(record, message.from));
      const grant = free && reachesMark(record, message);
      return {
        record,
        reply: {
          ...envelope,
          type: "requestPreVoteResponse",
          // The asker is still in the term before.
          term: grant ? message.term : Math.max(message.term - 1, record.term),
          reject: !grant,
          commit: 0,
          commitTerm: 0,
        },
      };
    }
    case "witnessAppend": {
      if (message.term < record.term) return { record, reply: outdated(id, record, message) };
      // §3.5 as far as it goes without a log. Messages may be reordered: the mark never goes back.
      const news = message.term > record.lastTerm || message.index > record.lastIndex;
      const next: WitnessRecord = {
        term: message.term,
        // It helps nobody else to lead in this term.
        vote: message.term > record.term ? message.from : record.vote,
        lastTerm: message.term,
        lastIndex: news ? message.index : record.lastIndex,
      };
      return {
        record: news || message.term > record.term ? next : record,
        reply: {
          ...envelope,
          type: "appendEntriesResponse",
          term: message.term,
          reject: false,
          index: next.lastIndex,
          hintIndex: 0,
          hintTerm: 0,
        },
      };
    }
    case "heartbeat":
      // §6.4: that it leads is confirmed by nobody having been promised a later term. Nothing is promised by that, so nothing is written.
      if (message.term < record.term) return { record, reply: outdated(id, record, message) };
      if (message.context === 0) return { record, reply: undefined };
      return {
        record,
        reply: { ...envelope, type: "heartbeatResponse", term: message.term, context: message.context },
      };
    default:
      return { record, reply: undefined };
  }
}

function isFreeFor(record: WitnessRecord, candidate: MemberId): boolean {
  return record.vote === noMember || record.vote === candidate;
}

/** §3.6.1, with the mark in place of a log. */
function reachesMark(record: WitnessRecord, log: { readonly lastTerm: number; readonly lastIndex: number }): boolean {
  return log.lastTerm > record.lastTerm || (log.lastTerm === record.lastTerm && log.lastIndex >= record.lastIndex);
}

/** Its term is over (§3.3). */
function outdated(id: MemberId, record: WitnessRecord, message: Message): Message {
  return {
    from: id,
    to: message.from,
    type: "appendEntriesResponse",
    term: record.term,
    reject: true,
    index: 0,
    hintIndex: 0,
    hintTerm: 0,
  };
}

/**
 * Where a witness's record lies: a file of a process of its own, or any place shared by the members that can compare and swap (an
 * object store's conditional write, a row, a key of another cluster). `Version` is that place's word for one state of the record.
 */
export interface WitnessRegister<Version> {
  /** The newest record, linearisably: never one that was replaced before the call. An empty place is `emptyWitnessRecord`. */
  read(): Promise<{ readonly record: WitnessRecord; readonly version: Version }>;
  /**
   * Replaces the record if it is still `expected`, durably before it resolves with true. False: it was another one, and nothing
   * happened. Rejects when the outcome is unknown.
   */
  swap(expected: Version, record: WitnessRecord): Promise<boolean>;
}

/**
 * The witness's part on a register, by any number of executors at once. The reply goes out only after the record it speaks of
 * was there: read or swapped in. Rejects as the register does; the message is then as good as lost, and may be tried again.
 */
export async function stepWitnessOn<Version>(
  register: WitnessRegister<Version>,
  id: MemberId,
  message: Message,
): Promise<Message | undefined> {
  while (true) {
    const { record, version } = await register.read();
    const step = stepWitness(id, record, message);
    if (step.record === record || (await register.swap(version, step.record))) return step.reply;
  }
}
