/*
 * Where an emulator with a front begins. The first eight bytes are filled in when the two are joined: how far the
 * emulator's own entry is from here. Nothing of the emulator has run yet, so no relocation, stack guard or thread
 * storage exists; this code uses none.
 */
	.section .head, "ax"
emulator:
	.quad 0
	.globl begin
begin:
	mov	%rsp, %rbx
	mov	%rdx, %rbp		/* what the kernel says is to be called at exit */
	mov	%rsp, %rdi
	and	$-16, %rsp
	call	front
	/* It has come back: the emulator begins as if it had been started alone. */
	mov	%rbx, %rsp
	mov	%rbp, %rdx
	lea	emulator(%rip), %rax
	add	(%rax), %rax
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	jmp	*%rax
	.section .note.GNU-stack, "", @progbits
