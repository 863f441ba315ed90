/** Hosts whose emulators are missing, damaged or not what they say. */
import { describeStates } from './described-states.ts';
import { EMULATOR_STATES } from './host-states.ts';

describeStates('emulators', EMULATOR_STATES);
