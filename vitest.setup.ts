/** Property tests draw the same cases on every run; PROPERTY_SEED=<number> draws others. */
import { configureGlobal } from 'fast-check';

configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 20_261_122) });
