/**
 * The enclave's end of the channel to its platform.
 */
import type { Socket } from 'node:net';
import type { Attester, AttesterDescription, CollectedEvidence } from '@cloister/attestation';
import type { EnclaveMessage, LaunchMessage, PlatformMessage } from '../channel/platform-messages.ts';

/** A keyless engine process that the platform started. */
export interface EngineProcess {
  readonly engine: number;
  readonly stream: Socket;
}

/** Starts and kills engine processes. */
export interface EngineLauncher {
  /** Rejects when the platform cannot start one. */
  startEngine(): Promise<EngineProcess>;
  stopEngine(engine: number): void;
}

interface Waiting {
  readonly resolve: (answer: { message: PlatformMessage; handle: unknown }) => void;
  readonly reject: (error: Error) => void;
}

/** Over Node's channel between parent and child. */
export class PlatformLink implements Attester, EngineLauncher {
  readonly #description: AttesterDescription;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;

  private constructor({ platform, product, simulated }: LaunchMessage) {
    this.#description = { platform, product, simulated };
    process.on('message', (message: PlatformMessage, handle) => this.#receive(message, handle));
  }

  /** Waits for the platform's first message. */
  static async open(): Promise<{ readonly link: PlatformLink; readonly launch: LaunchMessage }> {
    // Without its platform an enclave is nobody.
    process.on('disconnect', () => process.exit(0));
    const launch = await new Promise<LaunchMessage>((resolve) => {
      process.once('message', (message: LaunchMessage) => resolve(message));
    });
    return { link: new PlatformLink(launch), launch };
  }

  /** Says something that needs no answer. */
  tell(message: EnclaveMessage): void {
    process.send?.(message);
  }

  async describe(): Promise<AttesterDescription> {
    return this.#description;
  }

  async collect(reportData: Uint8Array): Promise<CollectedEvidence> {
    const { message } = await this.#ask((id) => ({ type: 'collect', id, reportData }));
    if (message.type !== 'evidence') throw new Error('the platform gave no evidence');
    const { evidence, endorsements } = message;
    return { evidence, endorsements };
  }

  async startEngine(): Promise<EngineProcess> {
    const { message, handle } = await this.#ask((id) => ({ type: 'start-engine', id }));
    if (message.type !== 'engine-started' || handle === undefined) throw new Error('the platform started no engine');
    return { engine: message.engine, stream: handle as Socket };
  }

  stopEngine(engine: number): void {
    this.tell({ type: 'stop-engine', engine });
  }

  #ask(make: (id: number) => EnclaveMessage): Promise<{ message: PlatformMessage; handle: unknown }> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.tell(make(id));
    });
  }

  #receive(message: PlatformMessage, handle: unknown): void {
    if (message.type === 'launch') return;
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === 'failed') waiting?.reject(new Error('the platform failed'));
    else waiting?.resolve({ message, handle });
  }
}
