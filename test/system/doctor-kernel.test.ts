/** Hosts whose kernel forbids or lacks something, or whose binfmt_misc table is in the way. */
import { describeStates } from './described-states.ts';
import { KERNEL_STATES, TABLE_STATES } from './host-states.ts';

describeStates('kernels', KERNEL_STATES);
describeStates('tables', TABLE_STATES);
