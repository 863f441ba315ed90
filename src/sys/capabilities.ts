/** Capabilities by name, see capabilities(7). */

/** In the order of their numbers. */
const NAMES = (
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service ' +
  'net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin ' +
  'sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override ' +
  'mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore'
).split(' ');

/** The fourteen capabilities of a default container: no SYS_ADMIN, no SYS_PTRACE, no SYS_MODULE. */
export const DEFAULT_CAPABILITIES = 0xa80425fbn;

export const ALL_CAPABILITIES = (1n << BigInt(NAMES.length)) - 1n;

/** `SYS_PTRACE`, `cap_sys_ptrace` or `ALL` as a mask; undefined for no capability. */
export function capabilityMask(word: string): bigint | undefined {
  const name = word.toLowerCase().replace(/^cap_/, '');
  if (name === 'all') return ALL_CAPABILITIES;
  const number = NAMES.indexOf(name);
  return number < 0 ? undefined : 1n << BigInt(number);
}
