/**
 * The class of machines on which native ONNX Runtime gives bit-identical results.
 *
 * Its kernels are chosen by instruction set: Softmax over 1,000 elements, a 16-channel Conv and MatMulInteger were seen to
 * differ between AVX-512 and AVX2, so a request's executors share a class.
 */

export const NUMERIC_CLASSES = ['x86-64', 'avx2', 'avx2-vnni', 'avx512', 'avx512-vnni'] as const;
export type NumericClass = (typeof NUMERIC_CLASSES)[number];

/** From the text of Linux' /proc/cpuinfo on x86-64. */
export function numericClassOf(cpuinfo: string): NumericClass {
  const line = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  const flags = new Set(line.trim().split(/\s+/));
  const avx512 = ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'].every((flag) => flags.has(flag));
  if (avx512) return flags.has('avx512_vnni') ? 'avx512-vnni' : 'avx512';
  if (flags.has('avx2') && flags.has('fma')) return flags.has('avx_vnni') ? 'avx2-vnni' : 'avx2';
  return 'x86-64';
}
