package native

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// answer asks the person once and gives the line to the program.
func (b *bridge) answer(prompt string, password bool) bool {
	text, err := b.cell.Input(prompt, password)
	b.stdin.Lock()
	defer b.stdin.Unlock()
	if err != nil {
		b.stdin.w.Close()
		return false
	}
	_, err = io.WriteString(b.stdin.w, text+"\n")
	return err == nil
}

// askAlways asks for line after line until the program has ended or the person can't answer.
func (b *bridge) askAlways(ended <-chan struct{}) {
	for b.answer("", false) {
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond): // a program that has read its last line is given time to end
		}
		select {
		case <-ended:
			return
		default:
		}
	}
}

// askWhenWaiting asks whenever the program waits for its standard input. Where the kernel can't see that, input is empty.
func (b *bridge) askWhenWaiting(pid int, ended <-chan struct{}) {
	if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid)); err != nil {
		b.stdin.w.Close()
		return
	}
	waited := 0
	for {
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
		if !readsStdin(pid) {
			waited = 0
			continue
		}
		if waited++; waited < 2 {
			continue // the line may just be on its way
		}
		waited = 0
		if !b.answer("", false) {
			return
		}
	}
}

// readCall is the number of the system call read, as /proc shows it.
var readCall = map[string]string{"amd64": "0", "arm64": "63"}[runtime.GOARCH]

// readsStdin reports whether a thread of the process is in a read of file descriptor 0.
func readsStdin(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, t := range threads {
		text, err := os.ReadFile(t)
		if err == nil && readCall != "" && strings.HasPrefix(string(text), readCall+" 0x0 ") {
			return true
		}
	}
	return false
}
