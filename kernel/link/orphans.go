package link

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// markName is an environment variable that a session process passes to everything it starts.
const markName = "QUIRE_SESSION"

// EndChildren ends everything that this session process has started, and what that has started, in whatever process group it is.
func EndChildren() {
	if mark := os.Getenv(markName); mark != "" {
		endMarked(mark)
	}
}

// endMarked ends the processes that carry a mark, but not this one. It looks again while it finds some: they may be starting others.
func endMarked(mark string) {
	entry := []byte(markName + "=" + mark)
	for range 10 {
		found := false
		files, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, f := range files {
			environ, err := os.ReadFile(f)
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			if err != nil || pid == os.Getpid() || !contains(environ, entry) {
				continue
			}
			found = syscall.Kill(pid, syscall.SIGKILL) == nil || found
		}
		if !found {
			return
		}
	}
}

// contains reports whether an environment, its entries ended by zero bytes, has an entry.
func contains(environ, entry []byte) bool {
	for e := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(e, entry) {
			return true
		}
	}
	return false
}
