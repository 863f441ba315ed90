import { describe, expect, it } from 'vitest';
import { explainFailure, KNOWN_FAILURES } from '../../src/emulation/failures.ts';

describe('explainFailure', () => {
  it.each([
    ['qemu-aarch64 version 7.2.22 (Debian 1:7.2)\nCopyright (c)', 1, 'aarch64', /printed its version/],
    ['qemu: uncaught target signal 4 (Illegal instruction) - core dumped\n', 132, 'aarch64', /instructions/],
    ['', 132, 'aarch64', /instructions/],
    ['Illegal instruction (core dumped)', 132, 'riscv64', /instructions/],
    [
      'qemu: uncaught target signal 11 (Segmentation fault) - core dumped',
      139,
      'aarch64',
      /crashed under emulation/,
    ],
    ['', 139, 'arm', /crashed/],
    [
      'qemu-arm: Unable to find a guest_base to satisfy all guest address mapping requirements',
      1,
      'arm',
      /address space/,
    ],
    ['Unable to reserve 0xffff0000 bytes of virtual address space', 1, 'arm', /address space/],
    ['Unsupported syscall: 384', 1, 'aarch64', /older than the libc/],
    ['E: setgroups 65534 failed - setgroups (1: Operation not permitted)', 100, 'arm', /one user id/],
    ['E: seteuid 100 failed - seteuid (22: Invalid argument)', 100, 'arm', /one user id/],
    [
      "sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option set",
      1,
      'arm',
      /setuid/,
    ],
    ['ping: socket: Operation not permitted', 2, 'aarch64', /raw sockets/],
    ['strace: ptrace(PTRACE_TRACEME, ...): Function not implemented', 1, 'aarch64', /ptrace/],
    ['go: fork/exec /usr/lib/go/pkg/tool/compile: invalid argument', 1, 'aarch64', /Go 1\.23/],
    ['systemd-sysusers: Failed to set up credentials: Invalid argument', 1, 'aarch64', /systemd/],
    [
      "qemu-aarch64: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory",
      255,
      'aarch64',
      /loader/,
    ],
    ['/bin/sh: 1: ./prog: Exec format error', 126, 'aarch64', /another machine/],
    ['sh: ./a: Too many levels of symbolic links', 126, 'aarch64', /caught by a binfmt entry/],
    ['/bin/sh: 1: foo: required file not found', 127, 'aarch64', /not in the image/],
    ["qemu-aarch64: unable to find CPU model 'foo'", 1, 'aarch64', /CPU model/],
    [
      'ERROR:../../accel/tcg/cpu-exec.c:519:cpu_exec: qemu assertion failed',
      134,
      'aarch64',
      /emulator itself/,
    ],
  ])('knows %j with status %d on %s', (...[tail, status, arch, what]) => {
    const explanation = explainFailure(`some output before\n${tail}\n`, status, arch);
    expect(explanation?.what).toMatch(what);
    expect(explanation?.hint).not.toBe('');
  });

  it.each([
    ['E: Unable to locate package foo', 100],
    ['make: *** [all] Error 2', 2],
    ['', 1],
    ['error: cannot find qemu-aarch64 in PATH', 1],
    ['installing qemu-user version 1', 1],
  ])('has nothing to say about %j with status %d', (tail, status) => {
    expect(explainFailure(tail, status)).toBeUndefined();
  });

  it.each([
    ['qemu: uncaught target signal 11 (Segmentation fault) - core dumped', 1],
    ['Unsupported syscall: 384\nqemu: uncaught target signal 6 (Aborted) - core dumped', 100],
    ['qemu: fatal: Trap 0x02', 1],
    ['qemu: unhandled CPU exception 0x10005 - aborting', 134],
    ['**\nERROR:../../accel/tcg/cpu-exec.c:519:cpu_exec: assertion failed: (cpu)', 2],
    ['', 139],
    ['', 134],
    ['', 132],
  ])('takes %j with status %d for a crash', (tail, status) => {
    expect(explainFailure(tail, status, 'riscv64')?.crash).toBe(true);
  });

  it.each([
    ['', 1],
    ['', 127],
    ['make: *** [all] Error 2', 2],
    ['qemu: uncaught target signal 15 (Terminated)', 143],
    ['ERROR:../tests/check.c:12:test_a: assertion failed: (1 == 2)', 1],
    ['/bin/sh: 1: ./prog: Exec format error', 126],
    ["qemu-aarch64: unable to find CPU model 'foo'", 1],
    ['E: setgroups 65534 failed', 100],
  ])('takes %j with status %d for an ordinary failure', (tail, status) => {
    expect(explainFailure(tail, status, 'aarch64')?.crash ?? false).toBe(false);
  });

  it('suggests the cheap pointer authentication for aarch64 only', () => {
    expect(explainFailure('', 132, 'aarch64')?.hint).toContain('max,pauth-impdef=on');
    expect(explainFailure('Illegal instruction', 132, 'riscv64')?.hint).not.toContain('pauth');
    expect(explainFailure('', 132)?.hint).toContain('max,pauth-impdef=on');
  });

  it('writes explanations as phrases and hints as sentences without full stops', () => {
    for (const { what, hint } of KNOWN_FAILURES) {
      expect(what).toMatch(/^[a-zG][^.]*[^.\n](?:1\.23\.0[^.]*)?$/);
      expect(hint).not.toMatch(/\.$|\n/);
    }
  });

  it.each([
    ['blanks', ' '],
    ['dashes', 'ld-'],
    ['ptrace', 'ptrace: '],
    ['setgroups', 'fork/exec '],
    ['qemu', 'qemu: qemu-'],
  ])('is quick on 100 kB of %s', (_, text) => {
    const started = performance.now();
    explainFailure(text.repeat(100_000 / text.length), 1);
    expect(performance.now() - started).toBeLessThan(1500);
  });
});
