/** `cloister testnet`: a whole network on this machine, and its main job in front of the user. */
import { runTestnet } from '../../testnet/testnet.ts';
import { type CliCommand, numberFlag, textFlag } from '../command.ts';

export const testnet: CliCommand = {
  name: 'testnet',
  summary: 'Start validators on loopback, run real sealed inferences, stay up until Ctrl-C. SIMULATED platforms.',
  usage: '[--once] [--validators N] [--dir DIR] [--ports BASE] [--images N]',
  flags: {
    once: {
      type: 'boolean',
      about: 'Do the main job, stop everything, exit 0 only if all answers and all logs agree.',
    },
    validators: { type: 'string', value: 'N', about: 'How many validators; 4.' },
    dir: {
      type: 'string',
      value: 'DIR',
      about: 'Where everything lies; .testnet. An earlier testnet there is replaced.',
    },
    ports: {
      type: 'string',
      value: 'BASE',
      about: 'First of the ports, two for each validator; by default free ones.',
    },
    images: { type: 'string', value: 'N', about: 'How many images to send; 5.' },
  },
  positionals: { min: 0, max: 0 },
  chain: 'always',
  async run(invocation) {
    invocation.output.ofChain(true);
    const ports = numberFlag(invocation, 'ports', { min: 1024, max: 65_000 });
    const agreed = await runTestnet({
      once: invocation.flags.once === true,
      validators: numberFlag(invocation, 'validators', { min: 1, max: 16 }) ?? 4,
      folder: textFlag(invocation, 'dir') ?? '.testnet',
      images: numberFlag(invocation, 'images', { min: 1, max: 1000 }) ?? 5,
      output: invocation.output,
      ...(ports === undefined ? {} : { ports }),
    });
    return agreed ? 0 : 1;
  },
};
