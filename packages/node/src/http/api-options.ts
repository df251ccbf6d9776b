/** What an operator chooses; see config-options.ts. */
export interface ApiOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly allowedHosts: readonly string[];
  readonly streamsMax: number;
  readonly connectionsMax: number;
  readonly connectionsPerClientMax: number;
  readonly clientTokensPerSecond: number;
  readonly version: string;
}
