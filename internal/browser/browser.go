// Package browser drives a headless Chromium for tests of what a person sees: it loads a page, waits for an expression to become
// true, types and clicks by script, takes screenshots, and keeps every console error and every network request.
//
// It speaks the Chrome DevTools Protocol over a pair of pipes (file descriptors 3 and 4 of the browser, JSON messages that end in
// a zero byte), so nothing listens on a port. The browser's profile is a temporary folder; its own background traffic is off.
//
// Invariant: the browser and its profile are gone when the test that started it ends.
package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Timeout bounds every single step. It is generous: tests share slow machines.
const Timeout = 2 * time.Minute

// Browser is a running Chromium. Goroutines may share it.
type Browser struct {
	out *os.File

	mu      sync.Mutex
	seq     int
	replies map[int]chan message
	pages   map[string]*Page
	ended   error
}

// message is any message of the protocol: a command, its reply or an event.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// Start runs Chromium until the test ends. It skips the test where there is none.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	path, err := find()
	if err != nil {
		tb.Skip(err)
	}
	cmdR, cmdW, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	evR, evW, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "quire-browser-")
	if err != nil {
		tb.Fatal(err)
	}
	args := []string{"--headless", "--disable-gpu", "--remote-debugging-pipe", "--user-data-dir=" + profile,
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--mute-audio",
		"--disable-dev-shm-usage", "--hide-scrollbars"}
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox")
	}
	cmd := exec.Command(path, append(args, "about:blank")...)
	cmd.ExtraFiles = []*os.File{cmdR, evW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("browser: %v", err)
	}
	cmdR.Close()
	evW.Close()
	b := &Browser{out: cmdW, replies: map[int]chan message{}, pages: map[string]*Page{}}
	done := make(chan struct{})
	go func() { defer close(done); b.read(evR) }()
	tb.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		cmdW.Close()
		evR.Close()
		<-done
		os.RemoveAll(profile)
	})
	return b
}

func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("browser: no chromium on PATH")
}

func (b *Browser) read(r *os.File) {
	lines := bufio.NewReaderSize(r, 1<<20)
	for {
		text, err := lines.ReadBytes(0)
		if err != nil {
			b.end(err)
			return
		}
		var m struct {
			message
			Params json.RawMessage `json:"params"`
		}
		if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
			b.end(err)
			return
		}
		b.mu.Lock()
		reply, page := b.replies[m.ID], b.pages[m.Session]
		delete(b.replies, m.ID)
		b.mu.Unlock()
		switch {
		case reply != nil:
			reply <- m.message
		case page != nil:
			page.event(m.Method, m.Params)
		}
	}
}

func (b *Browser) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = fmt.Errorf("browser: it ended: %w", err)
	for id, c := range b.replies {
		close(c)
		delete(b.replies, id)
	}
}

// call sends a command and decodes its result into out unless that is nil.
func (b *Browser) call(session, method string, params, out any) error {
	reply := make(chan message, 1)
	b.mu.Lock()
	if b.ended != nil {
		b.mu.Unlock()
		return b.ended
	}
	b.seq++
	id := b.seq
	b.replies[id] = reply
	text, err := json.Marshal(message{ID: id, Session: session, Method: method, Params: params})
	if err == nil {
		_, err = b.out.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m, ok := <-reply:
		switch {
		case !ok:
			return fmt.Errorf("browser: %s: the browser ended", method)
		case m.Error != nil:
			return fmt.Errorf("browser: %s: %s", method, m.Error.Message)
		case out == nil:
			return nil
		}
		return json.Unmarshal(m.Result, out)
	case <-time.After(Timeout):
		return fmt.Errorf("browser: %s: no answer in %v", method, Timeout)
	}
}
