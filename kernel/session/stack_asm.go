//go:build amd64 || arm64

package session

// stackUsed is the number of bytes between the stack pointer and the end of this goroutine's stack.
func stackUsed() uintptr
