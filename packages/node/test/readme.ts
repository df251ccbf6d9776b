import assert from 'node:assert/strict';
import { loadConfig } from '@cloister/node';

// One source wins over the next: flag, environment, config.toml, default. The origin of each value is known.
const { config, effective } = await loadConfig({
  flags: { 'api-port': 9001 },
  environment: { CLOISTER_API_PORT: '9002', CLOISTER_API_HOST: '127.0.0.2' },
});
assert.equal(config['api.port'], 9001);
assert.equal(effective.find(({ key }) => key === 'api.port')?.origin, 'flag');
assert.equal(effective.find(({ key }) => key === 'api.host')?.origin, 'environment');
assert.equal(effective.find(({ key }) => key === 'log.verify')?.origin, 'default');

// A value that does not fit is refused by a code and never guessed.
await assert.rejects(loadConfig({ flags: { 'api-port': 99_999 } }), { name: 'ConfigError' });
