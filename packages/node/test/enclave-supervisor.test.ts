import type { EnclaveDescription } from '@cloister/confidential';
import { ok } from '@cloister/encoding';
import { type EnclavePort, EnclaveUnavailable } from '@cloister/validator';
import { describe, expect, it } from 'vitest';
import { type EnclaveRun, type EnclaveState, EnclaveSupervisor } from '../src/attest/enclave-supervisor.ts';

function launched(run: number): EnclaveRun & { die(reason: string): void; stopped: boolean } {
  let die: (reason: string) => void = () => undefined;
  const exited = new Promise<string>((resolve) => {
    die = resolve;
  });
  const port = {
    describe: () => Promise.resolve({ imageName: `run ${run}` } as EnclaveDescription),
    attest: () => Promise.resolve(ok(Uint8Array.of(run))),
  } as unknown as EnclavePort;
  const enclave = {
    port,
    exited,
    die,
    stopped: false,
    stop: () => {
      enclave.stopped = true;
      die('stopped');
      return Promise.resolve();
    },
  };
  return enclave;
}

const CHALLENGE = { purpose: 'challenge', challenge: new Uint8Array(0) } as const;

function supervised(launch: () => Promise<EnclaveRun>): {
  supervisor: EnclaveSupervisor;
  until(state: EnclaveState): Promise<string>;
} {
  const waiting: { state: EnclaveState; resolve: (detail: string) => void }[] = [];
  const supervisor = new EnclaveSupervisor({
    launch,
    backoffMsMax: 1,
    onState: (state, detail) => {
      for (const one of waiting.filter((entry) => entry.state === state)) {
        waiting.splice(waiting.indexOf(one), 1);
        one.resolve(detail);
      }
    },
  });
  return { supervisor, until: (state) => new Promise((resolve) => waiting.push({ state, resolve })) };
}

describe('the enclave supervisor', () => {
  it('launches again when the enclave dies, and says that it is away meanwhile', async () => {
    const runs: ReturnType<typeof launched>[] = [];
    const { supervisor, until } = supervised(() => {
      const run = launched(runs.length);
      runs.push(run);
      return Promise.resolve(run);
    });
    await expect(supervisor.port.attest(CHALLENGE)).rejects.toBeInstanceOf(EnclaveUnavailable);
    let running = until('running');
    supervisor.start();
    await running;
    expect(await supervisor.port.attest(CHALLENGE)).toEqual(ok(Uint8Array.of(0)));
    expect(supervisor.description?.imageName).toBe('run 0');

    running = until('running');
    const failed = until('failed');
    runs[0]?.die('killed');
    expect(await failed).toBe('killed');
    await expect(supervisor.port.attest(CHALLENGE)).rejects.toMatchObject({ code: 'ENCLAVE_GONE' });
    await running;
    expect(await supervisor.port.attest(CHALLENGE)).toEqual(ok(Uint8Array.of(1)));
    expect(supervisor.restarts).toBe(1);
    await supervisor.stop();
    expect(runs.map(({ stopped }) => stopped)).toEqual([false, true]);
  });

  it('goes on trying when the launch fails, with the reason in its state', async () => {
    let attempts = 0;
    const { supervisor, until } = supervised(() => {
      attempts++;
      return attempts < 3 ? Promise.reject(new Error('no image')) : Promise.resolve(launched(attempts));
    });
    const failed = until('failed');
    const running = until('running');
    supervisor.start();
    expect(await failed).toBe('no image');
    await running;
    expect(attempts).toBe(3);
    await supervisor.stop();
  });

  it('stops a launch that comes too late', async () => {
    const run = launched(0);
    let finish: (enclave: EnclaveRun) => void = () => undefined;
    const { supervisor } = supervised(
      () =>
        new Promise((resolve) => {
          finish = resolve;
        }),
    );
    supervisor.start();
    const stopping = supervisor.stop();
    finish(run);
    await stopping;
    expect(run.stopped).toBe(true);
  });
});
