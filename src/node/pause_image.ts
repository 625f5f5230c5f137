/**
 * The sandbox's image: one static ELF program of under 250 bytes, so that no registry is asked. As process 1 of a pod it
 * blocks SIGTERM, SIGINT and SIGCHLD and waits for them: it reaps orphans (a pod may share its process namespace) and
 * exits 0 on the other two.
 */
import { imageArchive } from "./image_archive.ts";

/** A new program or configuration needs a new tag: sandboxes that run keep the old image. */
export const pauseImage = "wherry/pause:1";

const x86 = `
68 02 40 01 00   push $0x14002        the set {SIGINT, SIGTERM, SIGCHLD}
31 ff            xor %edi,%edi        SIG_BLOCK
48 89 e6         mov %rsp,%rsi
31 d2            xor %edx,%edx
6a 08            push $8
41 5a            pop %r10             size of the set
6a 0e            push $14
58               pop %rax
0f 05            syscall              rt_sigprocmask
48 89 e7         mov %rsp,%rdi        wait: (the set is still on the stack)
31 f6            xor %esi,%esi
31 d2            xor %edx,%edx        no time-out
6a 08            push $8
41 5a            pop %r10
b8 80 00 00 00   mov $128,%eax
0f 05            syscall              rt_sigtimedwait
83 f8 11         cmp $17,%eax         SIGCHLD?
74 0b            je reap
85 c0            test %eax,%eax
78 e5            js wait              EINTR
6a 3c            push $60
58               pop %rax
31 ff            xor %edi,%edi
0f 05            syscall              exit(0)
48 83 cf ff      or $-1,%rdi          reap: any child
31 f6            xor %esi,%esi
6a 01            push $1
5a               pop %rdx             WNOHANG
45 31 d2         xor %r10d,%r10d
6a 3d            push $61
58               pop %rax
0f 05            syscall              wait4
85 c0            test %eax,%eax
7f eb            jg reap
eb c7            jmp wait`;

const arm64 = `
53 00 88 d2   movz x19,#0x4002
33 00 a0 f2   movk x19,#1,lsl #16    the set {SIGINT, SIGTERM, SIGCHLD}
f3 0f 1f f8   str x19,[sp,#-16]!
00 00 80 d2   mov x0,#0              SIG_BLOCK
e1 03 00 91   mov x1,sp
02 00 80 d2   mov x2,#0
03 01 80 d2   mov x3,#8              size of the set
e8 10 80 d2   mov x8,#135
01 00 00 d4   svc #0                 rt_sigprocmask
e0 03 00 91   mov x0,sp              wait:
01 00 80 d2   mov x1,#0
02 00 80 d2   mov x2,#0              no time-out
03 01 80 d2   mov x3,#8
28 11 80 d2   mov x8,#137
01 00 00 d4   svc #0                 rt_sigtimedwait
1f 44 00 71   cmp w0,#17             SIGCHLD?
a0 00 00 54   b.eq reap
00 ff ff 37   tbnz w0,#31,wait       EINTR
00 00 80 d2   mov x0,#0
a8 0b 80 d2   mov x8,#93
01 00 00 d4   svc #0                 exit(0)
00 00 80 92   mov x0,#-1             reap: any child
01 00 80 d2   mov x1,#0
22 00 80 d2   mov x2,#1              WNOHANG
03 00 80 d2   mov x3,#0
88 20 80 d2   mov x8,#260
01 00 00 d4   svc #0                 wait4
1f 00 00 71   cmp w0,#0
2c ff ff 54   b.gt reap
ec ff ff 17   b wait`;

function assemble(listing: string): number[] {
  return listing
    .trim()
    .split("\n")
    .flatMap((line) => (/^(?:[0-9a-f]{2} )+/.exec(line)?.[0] ?? "").trim().split(" "))
    .map((byte) => Number.parseInt(byte, 16));
}

const machines: Readonly<Record<string, { readonly elfMachine: number; readonly listing: string }>> = {
  amd64: { elfMachine: 62, listing: x86 },
  arm64: { elfMachine: 183, listing: arm64 },
};

/** The program as a static ELF file: header, one loadable segment, code. */
export function pauseProgram(architecture: string): Uint8Array {
  const machine = machines[architecture];
  if (machine === undefined) throw new Error(`Cannot make the pause image for ${architecture}: only amd64 and arm64`);
  const code = assemble(machine.listing);
  const headerSize = 64 + 56;
  const base = 0x400000n;
  const file = new Uint8Array(headerSize + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine.elfMachine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, base + BigInt(headerSize), true); // entry
  view.setBigUint64(32, 64n, true); // program headers
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // readable and executable
  view.setBigUint64(80, base, true);
  view.setBigUint64(88, base, true);
  view.setBigUint64(96, BigInt(file.length), true);
  view.setBigUint64(104, BigInt(file.length), true);
  view.setBigUint64(112, 0x10000n, true); // alignment: arm64 pages may have 64 KiB
  file.set(code, headerSize);
  return file;
}

/** For `docker load`. */
export function pauseArchive(architecture: string): Uint8Array {
  return imageArchive(
    {
      tags: [pauseImage],
      architecture,
      entrypoint: ["/pause"],
      labels: { "wherry.image": "pause" },
    },
    [{ path: "pause", type: "file", mode: 0o755, content: pauseProgram(architecture) }],
  ).bytes;
}
