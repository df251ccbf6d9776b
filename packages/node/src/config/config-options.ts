/**
 * Every option of the process: name, type, bounds, default and what it does, in one table. Nothing in it skips a check of
 * an attestation: what is trusted stands in the genesis.
 */
import { PLATFORMS, type Platform } from '@cloister/attestation';
import { MODEL_CIPHERTEXT_BYTES_MAX } from '@cloister/confidential';
import { DSTACK_SOCKET, TSM_DIRECTORY, VENDOR_SERVICES } from '@cloister/platform/attesters';

export interface Config {
  readonly 'node.name': string;
  readonly 'node.log_level': 'debug' | 'info' | 'warn' | 'error';
  readonly 'network.listen': readonly string[];
  readonly 'network.announce': readonly string[];
  readonly 'network.seeds': readonly string[];
  readonly 'network.strangers_max': number;
  readonly 'api.enabled': boolean;
  readonly 'api.host': string;
  readonly 'api.port': number;
  readonly 'api.allowed_hosts': readonly string[];
  readonly 'api.streams_max': number;
  readonly 'api.connections_max': number;
  readonly 'api.connections_per_client': number;
  readonly 'api.client_rate': number;
  readonly 'blobs.quota_bytes': number;
  readonly 'blobs.blob_bytes_max': number;
  readonly 'blobs.account_bytes_max': number;
  readonly 'blobs.retention_hours': number;
  readonly 'log.format': 'text' | 'json';
  readonly 'log.verify': 'checkpoint' | 'full';
  readonly 'consensus.view_timeout_ms': number;
  readonly 'consensus.idle_interval_ms': number;
  readonly 'consensus.retry_ms': number;
  readonly 'enclave.kind': 'simulated' | 'configfs-tsm' | 'dstack' | 'none';
  readonly 'enclave.platform': Platform;
  readonly 'enclave.tsm_directory': string;
  readonly 'enclave.dstack_socket': string;
  readonly 'enclave.image': string;
  readonly 'enclave.altered_image': 'refuse' | 'measure';
  readonly 'enclave.restart_backoff_ms_max': number;
  readonly 'endorsements.update': 'standard' | 'early';
  readonly 'endorsements.pcs': string;
  readonly 'endorsements.root_crl': string;
  readonly 'endorsements.kds': string;
  readonly 'attestation.challenge_interval_s': number;
  readonly 'attestation.answers_per_minute': number;
}

export type ConfigKey = keyof Config;
export type ConfigValue = string | number | boolean | readonly string[];

export type OptionType =
  | { readonly type: 'text'; readonly maxLength: number; readonly pattern?: RegExp }
  | { readonly type: 'choice'; readonly of: readonly string[] }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'list'; readonly maxItems: number };

export interface ConfigOption<Value extends ConfigValue = ConfigValue> {
  readonly is: OptionType;
  readonly default: Value;
  /** One line, for config files and help. */
  readonly about: string;
}

const GiB = 1024 ** 3;
const LIST: OptionType = { type: 'list', maxItems: 64 };
const ADDRESS: OptionType = {
  type: 'text',
  maxLength: 2048,
  pattern: /^https:\/\/[0-9A-Za-z.:-]+(?:\/[0-9A-Za-z._~/-]*)?$/,
};
const HOST: OptionType = { type: 'text', maxLength: 253, pattern: /^[0-9A-Za-z.:-]+$/ };

function integer(min: number, max: number): OptionType {
  return { type: 'integer', min, max };
}

export const CONFIG_OPTIONS: { readonly [Key in ConfigKey]: ConfigOption<Config[Key]> } = {
  'node.name': {
    is: { type: 'text', maxLength: 64, pattern: /^[\x20-\x7e]*$/ },
    default: '',
    about: 'Name under which this node shows itself in its own status; empty for the one on the ledger.',
  },
  'node.log_level': {
    is: { type: 'choice', of: ['debug', 'info', 'warn', 'error'] },
    default: 'info',
    about: 'Least severe line that is written: debug, info, warn or error.',
  },
  'network.listen': {
    is: LIST,
    default: ['/ip4/127.0.0.1/tcp/7470'],
    about: 'Multiaddrs to listen on for peers; port 0 takes a free one.',
  },
  'network.announce': {
    is: LIST,
    default: [],
    about: 'Further multiaddrs under which peers reach this node.',
  },
  'network.seeds': {
    is: LIST,
    default: [],
    about: 'Multiaddrs ending in /p2p/<peer id> that are dialled until connected.',
  },
  'network.strangers_max': {
    is: integer(0, 10_000),
    default: 32,
    about: 'Connections of nodes that are no members.',
  },
  'api.enabled': { is: { type: 'boolean' }, default: true, about: 'Serve the HTTP API and /metrics.' },
  'api.host': {
    is: HOST,
    default: '127.0.0.1',
    about: 'Address of the HTTP API. It has no authentication: keep it on loopback.',
  },
  'api.port': { is: integer(0, 65_535), default: 7480, about: 'Port of the HTTP API; 0 takes a free one.' },
  'api.allowed_hosts': {
    is: LIST,
    default: [],
    about: 'Names that a Host header may carry beside those of loopback (protection against DNS rebinding).',
  },
  'api.streams_max': { is: integer(0, 10_000), default: 64, about: 'Event streams served at a time.' },
  'api.connections_max': {
    is: integer(8, 100_000),
    default: 512,
    about: 'Connections of the HTTP API at a time.',
  },
  'api.connections_per_client': {
    is: integer(1, 100_000),
    default: 128,
    about: 'Of those, from one address (IPv6: one /64).',
  },
  'api.client_rate': {
    is: integer(10, 1_000_000),
    default: 400,
    about:
      'Tokens a second that one address has for each kind of route; most requests cost 1 or 2 and what they answer.',
  },
  'blobs.quota_bytes': {
    is: integer(0, 1024 * GiB),
    default: 4 * GiB,
    about: 'Bytes of sealed payloads, responses and models kept on disk.',
  },
  'blobs.blob_bytes_max': {
    is: integer(1024, MODEL_CIPHERTEXT_BYTES_MAX),
    default: MODEL_CIPHERTEXT_BYTES_MAX,
    about: 'Largest blob that is taken or fetched, in bytes.',
  },
  'blobs.account_bytes_max': {
    is: integer(0, 1024 * GiB),
    default: GiB,
    about: 'Of those, bytes that one account may have uploaded.',
  },
  'blobs.retention_hours': {
    is: integer(1, 24 * 3650),
    default: 1,
    about: 'Hours for which a blob is kept that the ledger does not name, or no longer names.',
  },
  'log.format': {
    is: { type: 'choice', of: ['text', 'json'] },
    default: 'text',
    about: 'Form of the lines that the process writes to standard error: text or json.',
  },
  'log.verify': {
    is: { type: 'choice', of: ['checkpoint', 'full'] },
    default: 'checkpoint',
    about: 'What is checked on opening: from the last verified checkpoint on, or the full log.',
  },
  'consensus.view_timeout_ms': {
    is: integer(50, 60_000),
    default: 1_000,
    about: 'How long the first view after a finalization may take while work is pending.',
  },
  'consensus.idle_interval_ms': {
    is: integer(10, 60_000),
    default: 1_000,
    about: 'How long a leader without work waits before it proposes an empty block.',
  },
  'consensus.retry_ms': {
    is: integer(50, 60_000),
    default: 1_000,
    about: 'Interval at which votes and certificates are sent again while a view makes no progress.',
  },
  'enclave.kind': {
    is: { type: 'choice', of: ['simulated', 'configfs-tsm', 'dstack', 'none'] },
    default: 'simulated',
    about:
      'Machine of the local enclave: simulated; the one that this node runs in, by configfs-tsm or dstack; or none, to execute nothing.',
  },
  'enclave.platform': {
    is: { type: 'choice', of: PLATFORMS },
    default: 'sev-snp',
    about: 'Hardware that the simulated platform stands for: nitro, sev-snp, sgx or tdx. All of them SIMULATED.',
  },
  'enclave.tsm_directory': {
    is: { type: 'text', maxLength: 4096 },
    default: TSM_DIRECTORY,
    about: 'Directory of configfs-tsm reports, for enclave.kind configfs-tsm.',
  },
  'enclave.dstack_socket': {
    is: { type: 'text', maxLength: 4096 },
    default: DSTACK_SOCKET,
    about: 'Socket of the dstack guest agent, for enclave.kind dstack.',
  },
  'enclave.image': {
    is: { type: 'text', maxLength: 4096 },
    default: '',
    about: 'Folder of the enclave image; empty for the one built with this version, in <home>/enclave/image.',
  },
  'enclave.altered_image': {
    is: { type: 'choice', of: ['refuse', 'measure'] },
    default: 'refuse',
    about: 'An image that differs from its manifest: refuse to launch it, or measure and run it, as hardware would.',
  },
  'enclave.restart_backoff_ms_max': {
    is: integer(100, 3_600_000),
    default: 30_000,
    about: 'Longest wait before a dead enclave is launched again.',
  },
  'endorsements.update': {
    is: { type: 'choice', of: ['standard', 'early'] },
    default: 'standard',
    about: "Which of Intel's TCB sets goes with own evidence: the standard one, or the early one that precedes it.",
  },
  'endorsements.pcs': {
    is: ADDRESS,
    default: VENDOR_SERVICES.pcs,
    about: "Base address of Intel's provisioning service, or of a mirror.",
  },
  'endorsements.root_crl': {
    is: ADDRESS,
    default: VENDOR_SERVICES.rootCrl,
    about: "Address of the revocation list of Intel's root.",
  },
  'endorsements.kds': {
    is: ADDRESS,
    default: VENDOR_SERVICES.kds,
    about: "Base address of AMD's key server, or of a mirror.",
  },
  'attestation.challenge_interval_s': {
    is: integer(1, 86_400),
    default: 60,
    about: 'How often each connected member with an accepted attestation is challenged.',
  },
  'attestation.answers_per_minute': {
    is: integer(1, 100_000),
    default: 60,
    about: 'Challenges answered for one asker.',
  },
};

export const CONFIG_KEYS: readonly ConfigKey[] = Object.keys(CONFIG_OPTIONS) as ConfigKey[];

/** Such as CLOISTER_API_PORT for api.port. */
export function variableOf(key: ConfigKey): string {
  return `CLOISTER_${key.replace('.', '_').toUpperCase()}`;
}

/** Such as --api-port for api.port, without the dashes. */
export function flagOf(key: ConfigKey): string {
  return key.replace(/[._]/g, '-');
}
