/**
 * The system calls that a sandboxed enclave or engine may not make, as a seccomp filter for bubblewrap.
 *
 * A list of refusals, not of permissions: the sandbox's namespaces do the isolation, and this takes away what reaches into
 * other processes, the kernel, or new sockets. Source: seccomp(2), linux/filter.h, the x86-64 system call table.
 */

const [LOAD_WORD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN] = [0x20, 0x15, 0x35, 0x06];
const [OFFSET_NUMBER, OFFSET_ARCHITECTURE] = [0, 4];
const ARCHITECTURE_X86_64 = 0xc000_003e;
/** Numbers from here on are the x32 interface. */
const X32_BIT = 0x4000_0000;
const [ALLOW, REFUSE_EPERM, KILL] = [0x7fff_0000, 0x0005_0001, 0x8000_0000];
const INSTRUCTION_BYTES = 8;

const REFUSED: Readonly<Record<string, number>> = {
  socket: 41,
  connect: 42,
  ptrace: 101,
  pivot_root: 155,
  chroot: 161,
  mount: 165,
  umount2: 166,
  init_module: 175,
  delete_module: 176,
  kexec_load: 246,
  add_key: 248,
  request_key: 249,
  keyctl: 250,
  unshare: 272,
  perf_event_open: 298,
  open_by_handle_at: 304,
  setns: 308,
  process_vm_readv: 310,
  process_vm_writev: 311,
  finit_module: 313,
  kexec_file_load: 320,
  bpf: 321,
  userfaultfd: 323,
  io_uring_setup: 425,
  pidfd_getfd: 438,
};

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number];

/** The filter as bubblewrap reads it: sock_filter structures in the byte order of the machine, which is x86-64. */
export function seccompFilter(): Uint8Array {
  const numbers = Object.values(REFUSED);
  const program: Instruction[] = [
    [LOAD_WORD, 0, 0, OFFSET_ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, ARCHITECTURE_X86_64],
    [RETURN, 0, 0, KILL],
    [LOAD_WORD, 0, 0, OFFSET_NUMBER],
    [JUMP_AT_LEAST, numbers.length + 1, 0, X32_BIT],
    // From each comparison over those after it and the ALLOW, to the refusal.
    ...numbers.map((number, i): Instruction => [JUMP_EQUAL, numbers.length - i, 0, number]),
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, REFUSE_EPERM],
  ];
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, [code, jumpTrue, jumpFalse, operand]] of program.entries()) {
    const at = i * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jumpTrue);
    view.setUint8(at + 3, jumpFalse);
    view.setUint32(at + 4, operand, true);
  }
  return bytes;
}
