/**
 * An emulator that crashes: a static program that says a version as qemu does, runs everything under the real qemu it
 * carries within itself (inside a step's root there is no other), and dies as qemu does when a certain program starts.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../support/foreign-tools.ts';

export interface CrashingEmulator {
  /** Where `<version>/qemu-aarch64` is made. */
  readonly folder: string;
  readonly version: string;
  /** The real qemu-aarch64. */
  readonly real: string;
  /** The path of the program that it dies of. */
  readonly victim: string;
}

/** Needs cc and a static libc. */
export async function makeCrashingEmulator({
  folder,
  version,
  real,
  victim,
}: CrashingEmulator): Promise<string> {
  const directory = join(folder, version);
  await mkdir(directory, { recursive: true });
  const source = join(directory, 'crashing.c');
  await writeFile(source, SOURCE);
  const words = { VERSION: version, VICTIM: victim, REAL: real };
  const defines = Object.entries(words).map(([name, text]) => `-D${name}=${JSON.stringify(text)}`);
  const path = join(directory, 'qemu-aarch64');
  await runTool('cc', ['-static', '-O1', '-o', path, ...defines, source]);
  return path;
}

/** The kernel gives, with the flag P: interpreter, program, its argv[0], its arguments. */
const SOURCE = `
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <sys/mman.h>

__asm__(".section .rodata\\n.globl real_begin\\nreal_begin:\\n.incbin \\"" REAL "\\"\\n"
        ".globl real_end\\nreal_end:\\n.byte 0\\n.previous\\n");
extern const char real_begin[], real_end[];
extern char **environ;

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    puts("qemu-aarch64 version " VERSION " (made for a test)");
    return 0;
  }
  if (argc < 3) return 1;
  if (strcmp(argv[1], VICTIM) == 0) {
    fputs("qemu: uncaught target signal 11 (Segmentation fault) - core dumped\\n", stderr);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  }
  int fd = memfd_create("qemu", MFD_CLOEXEC);
  for (const char *at = real_begin; at < real_end;) {
    ssize_t count = write(fd, at, real_end - at);
    if (count <= 0) return 1;
    at += count;
  }
  char **words = calloc(argc + 2, sizeof *words);
  words[0] = "qemu-aarch64", words[1] = "-0", words[2] = argv[2], words[3] = argv[1];
  for (int i = 3; i < argc; i++) words[i + 1] = argv[i];
  fexecve(fd, words, environ);
  perror("fexecve");
  return 1;
}
`;
