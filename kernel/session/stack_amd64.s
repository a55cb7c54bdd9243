#include "textflag.h"

// func stackUsed() uintptr
// The runtime's g begins with stack.lo and stack.hi.
TEXT ·stackUsed(SB), NOSPLIT, $0-8
	MOVQ (TLS), AX
	MOVQ 8(AX), AX
	SUBQ SP, AX
	MOVQ AX, ret+0(FP)
	RET
