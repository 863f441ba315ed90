/** Hosts whose store, temporary directory, limits or users are in the way. */
import { describeStates } from './described-states.ts';
import { PROCESS_STATES, STORE_STATES } from './host-states.ts';

describeStates('stores', STORE_STATES);
describeStates('processes', PROCESS_STATES);
