/**
 * THE architecture table: a new architecture is one row here and nothing else.
 *
 * Magic and mask are worked out from the ELF facts (architecture.ts); a row only names the bytes whose mask differs
 * from the usual one. Probe code is the machine code of exit(42); rows without it were never run.
 */
export interface ElfIdentity {
  readonly bits: 32 | 64;
  readonly order: 'little' | 'big';
  /** e_machine */
  readonly machine: number;
  /** e_flags that a usual program of this machine carries. */
  readonly flags: number;
}

export interface ArchitectureRow {
  /** qemu's name of the machine. */
  readonly arch: string;
  readonly elf: ElfIdentity;
  /** `architecture[/variant]` as OCI writes it, the usual one first. */
  readonly platforms: readonly string[];
  readonly debian?: string;
  /** Other names people and `uname -m` use; `name=variant` when the name says which variant. */
  readonly aliases?: readonly string[];
  /** Machine code in hex that calls exit(42). */
  readonly probe?: string;
  /** The CPU model that emulated steps use; qemu's own default where absent. */
  readonly cpu?: string;
  /** The oldest qemu that runs what distributions of this machine are built for today, where that was found out. */
  readonly oldestVersion?: string;
  /** The qemu program, where it is not named after the machine. */
  readonly emulator?: string;
  /** Mask bytes that differ from the usual ones, by offset. */
  readonly mask?: Readonly<Record<number, number>>;
  /** Bits of e_flags that tell this machine from another one with the same e_machine. */
  readonly flagsMask?: number;
}

const little32 = (machine: number, flags = 0): ElfIdentity => ({ bits: 32, order: 'little', machine, flags });
const little64 = (machine: number, flags = 0): ElfIdentity => ({ bits: 64, order: 'little', machine, flags });
const big32 = (machine: number, flags = 0): ElfIdentity => ({ bits: 32, order: 'big', machine, flags });
const big64 = (machine: number, flags = 0): ElfIdentity => ({ bits: 64, order: 'big', machine, flags });

/** EI_OSABI 0 to 3, of which static glibc programs use 3. The usual mask does not look at EI_OSABI at all. */
const OSABI = { 7: 0xfc };
/** The mips family: EI_ABIVERSION is no part of the match, and n32 is one bit of e_flags. */
const ANY_ABI_VERSION = { 8: 0 };
const MIPS_N32 = 0x20;

/** The variant is part of these names, as the platform grammar (and containerd) understands them. */
const ARM_NAMES = [
  'armv8l=v8',
  ...['armhf', 'armv7', 'armv7l', 'armv7hl'].map((name) => `${name}=v7`),
  ...['armel', 'armv6', 'armv6l', 'armv6hl', 'armhfp'].map((name) => `${name}=v6`),
  ...['armv5', 'armv5l', 'armv5tel', 'armv5tejl'].map((name) => `${name}=v5`),
];

export const ARCHITECTURE_TABLE: readonly ArchitectureRow[] = [
  {
    arch: 'aarch64',
    elf: little64(183),
    platforms: ['arm64'],
    debian: 'arm64',
    aliases: ['armv8', 'arm64e'],
    probe: 'a80b80d2400580d2010000d4',
    cpu: 'neoverse-n1',
  },
  { arch: 'aarch64_be', elf: big64(183), platforms: ['arm64be'], probe: 'a80b80d2400580d2010000d4' },
  {
    arch: 'alpha',
    elf: little64(0x9026),
    platforms: ['alpha'],
    debian: 'alpha',
    probe: '01001f202a001f2283000000',
  },
  {
    arch: 'arm',
    elf: little32(40, 0x05000000),
    platforms: ['arm/v7', 'arm/v6', 'arm/v5'],
    debian: 'armhf',
    aliases: ARM_NAMES,
    probe: '0170a0e32a00a0e3000000ef',
  },
  {
    arch: 'armeb',
    elf: big32(40, 0x05800000),
    platforms: ['armbe'],
    aliases: ['armv7b', 'armv5teb'],
    probe: '0170a0e32a00a0e3000000ef',
  },
  { arch: 'hexagon', elf: little32(164), platforms: ['hexagon'] },
  {
    arch: 'hppa',
    elf: big32(15, 0x210),
    platforms: ['hppa'],
    debian: 'hppa',
    aliases: ['parisc'],
    probe: '341a0054e400820034140002',
  },
  {
    arch: 'i386',
    elf: little32(3),
    platforms: ['386'],
    debian: 'i386',
    aliases: ['i486', 'i586', 'i686', 'x86', 'ia32'],
    probe: 'b801000000bb2a000000cd80',
    mask: { 5: 0xfe, 6: 0xfe, ...OSABI },
  },
  { arch: 'i486', elf: little32(6), platforms: [], emulator: 'i386', mask: { 5: 0xfe, 6: 0xfe } },
  {
    arch: 'loongarch64',
    elf: little64(258, 0x43),
    platforms: ['loong64'],
    debian: 'loong64',
    aliases: ['loongarch'],
    probe: '0b74810204a8800200002b00',
    oldestVersion: '8.1', // LSX: Debian's busybox dies at its first vld under 7.2.22 and works under 10.0.13
    mask: { ...OSABI, ...ANY_ABI_VERSION },
  },
  { arch: 'm68k', elf: big32(4), platforms: ['m68k'], debian: 'm68k', probe: '7001722a4e40' },
  { arch: 'microblaze', elf: big32(0xbaab), platforms: ['microblaze'] },
  { arch: 'microblazeel', elf: little32(0xbaab), platforms: ['microblazeel'] },
  {
    arch: 'mips',
    elf: big32(8, 0x1005),
    platforms: ['mips'],
    debian: 'mips',
    probe: '24020fa12404002a0000000c00000000',
    mask: ANY_ABI_VERSION,
    flagsMask: MIPS_N32,
  },
  {
    arch: 'mips64',
    elf: big64(8, 0x80000007),
    platforms: ['mips64'],
    debian: 'mips64',
    probe: '240213c22404002a0000000c00000000',
    mask: ANY_ABI_VERSION,
  },
  {
    arch: 'mips64el',
    elf: little64(8, 0x80000007),
    platforms: ['mips64le'],
    debian: 'mips64el',
    probe: 'c21302242a0004240c00000000000000',
    mask: ANY_ABI_VERSION,
  },
  {
    arch: 'mipsel',
    elf: little32(8, 0x1005),
    platforms: ['mipsle'],
    debian: 'mipsel',
    probe: 'a10f02242a0004240c00000000000000',
    mask: ANY_ABI_VERSION,
    flagsMask: MIPS_N32,
  },
  {
    arch: 'mipsn32',
    elf: big32(8, 0x80000027),
    platforms: ['mips64p32'],
    debian: 'mipsn32',
    probe: '240217aa2404002a0000000c00000000',
    mask: ANY_ABI_VERSION,
    flagsMask: MIPS_N32,
  },
  {
    arch: 'mipsn32el',
    elf: little32(8, 0x80000027),
    platforms: ['mips64p32le'],
    debian: 'mipsn32el',
    probe: 'aa1702242a0004240c00000000000000',
    mask: ANY_ABI_VERSION,
    flagsMask: MIPS_N32,
  },
  { arch: 'or1k', elf: big32(92), platforms: ['or1k'], debian: 'or1k', aliases: ['openrisc'] },
  {
    arch: 'ppc',
    elf: big32(20),
    platforms: ['ppc'],
    debian: 'powerpc',
    probe: '380000013860002a44000002',
    mask: OSABI,
  },
  {
    arch: 'ppc64',
    elf: big64(21, 2),
    platforms: ['ppc64'],
    debian: 'ppc64',
    aliases: ['powerpc64'],
    probe: '380000013860002a44000002',
    mask: OSABI,
  },
  {
    arch: 'ppc64le',
    elf: little64(21, 2),
    platforms: ['ppc64le'],
    debian: 'ppc64el',
    aliases: ['powerpc64le'],
    probe: '010000382a00603802000044',
    mask: { ...OSABI, 19: 0 },
  },
  {
    arch: 'riscv32',
    elf: little32(243),
    platforms: ['riscv32'],
    debian: 'riscv32',
    probe: '9308d0051305a00273000000',
  },
  {
    arch: 'riscv64',
    elf: little64(243),
    platforms: ['riscv64'],
    debian: 'riscv64',
    aliases: ['riscv64gc', 'rv64gc'],
    probe: '9308d0051305a00273000000',
  },
  {
    arch: 's390x',
    elf: big64(22),
    platforms: ['s390x'],
    debian: 's390x',
    probe: 'a729002a0a010707',
    mask: OSABI,
  },
  {
    arch: 'sh4',
    elf: little32(42, 9),
    platforms: ['sh4'],
    debian: 'sh4',
    probe: '01e32ae411c30b200b200b20',
    mask: OSABI,
  },
  { arch: 'sh4eb', elf: big32(42, 9), platforms: ['sh4eb'], probe: 'e301e42ac311200b200b200b', mask: OSABI },
  { arch: 'sparc', elf: big32(2), platforms: ['sparc'], probe: '821020019010202a91d02010', mask: OSABI },
  { arch: 'sparc32plus', elf: big32(18), platforms: [], probe: '821020019010202a91d02010', mask: OSABI },
  {
    arch: 'sparc64',
    elf: big64(43),
    platforms: ['sparc64'],
    debian: 'sparc64',
    probe: '821020019010202a91d0206d',
    mask: OSABI,
  },
  {
    arch: 'x86_64',
    elf: little64(62),
    platforms: ['amd64'],
    debian: 'amd64',
    aliases: ['x86-64', 'x64', 'x86-64-v2=v2', 'x86-64-v3=v3', 'x86-64-v4=v4'],
    probe: 'b83c000000bf2a0000000f05',
    mask: { 5: 0xfe, 6: 0xfe, ...OSABI },
  },
  { arch: 'xtensa', elf: little32(94), platforms: ['xtensa'] },
  { arch: 'xtensaeb', elf: big32(94), platforms: ['xtensaeb'] },
];
