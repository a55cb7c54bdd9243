package link

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sessionFD is the descriptor of the line in the session process.
const sessionFD = 3

// Command says how to start a session process.
type Command struct {
	Path string // of the binary
	Args []string
	Env  []string // nil for the front's own
	Dir  string   // "" for the front's own
	// Output gets what the process writes to its standard output ("stdout") and error ("stderr") past the line: text of C code, of the
	// runtime, of its children. It may be called at any time until the end. Nil drops it.
	Output func(name, text string)
}

// Self is the command of this very binary, also when its file has been replaced since.
func Self(args ...string) Command { return Command{Path: "/proc/self/exe", Args: args} }

// Start starts a session process in a process group of its own. It ends with the front: the kernel signals it when the front's
// process dies, and its line closes.
func Start(c Command, version string, events func(Message)) (*Remote, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("link: socket pair: %v", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "line"), os.NewFile(uintptr(fds[1]), "line")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("link: %v", err)
	}
	r := newRemote(conn, version, events)
	if r.process, err = startProcess(c, theirs); err != nil {
		conn.Close()
		return nil, fmt.Errorf("link: cannot start the session process: %v", err)
	}
	r.run()
	return r, nil
}

// Inherited is the session process's end of the line.
func Inherited() (net.Conn, error) {
	syscall.CloseOnExec(sessionFD)
	f := os.NewFile(sessionFD, "line")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("link: no line to a kernel (this command is started by 'quire kernel'): %v", err)
	}
	return conn, nil
}

// process is a child with the end of the line as descriptor 3.
type process struct {
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has been waited for
	stderr *tail
	output sync.WaitGroup // the readers of its stdout and stderr
	pipes  []*os.File
	mark   string // in the environment of the process and of all that it starts
	ooms   int    // out-of-memory kills of our control group before it started
	limit  uint64 // of its memory when it ended, in bytes
}

func startProcess(c Command, line *os.File) (*process, error) {
	p := &process{cmd: exec.Command(c.Path, c.Args...), done: make(chan struct{}), stderr: &tail{}, ooms: oomKills()}
	if c.Env == nil {
		c.Env = os.Environ()
	}
	p.mark = rand.Text()
	p.cmd.Env, p.cmd.Dir, p.cmd.ExtraFiles = append(slices.Clip(c.Env), markName+"="+p.mark), c.Dir, []*os.File{line}
	// SIGTERM and not SIGKILL: the session process ends its children and removes its files first.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if c.Output == nil {
		c.Output = func(string, string) {}
	}
	p.stderr.out = c.Output
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errRead, errWrite, err := os.Pipe()
	if err != nil {
		outRead.Close()
		outWrite.Close()
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = outWrite, errWrite
	p.pipes = []*os.File{outRead, errRead}
	started := make(chan error)
	go func() {
		// The parent-death signal is bound to the thread that forks: it must live as long as the child.
		runtime.LockOSThread()
		err := p.cmd.Start()
		outWrite.Close()
		errWrite.Close()
		started <- err
		if err == nil {
			p.limit = memoryLimit(p.cmd.Process.Pid)
			p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		outRead.Close()
		errRead.Close()
		return nil, err
	}
	p.output.Go(func() { io.Copy(writer(func(text string) { c.Output("stdout", text) }), outRead) })
	p.output.Go(func() { io.Copy(writer(p.stderr.add), errRead) })
	return p, nil
}

// memoryLimit waits for the end of a child and reads, before the child is collected, how much memory it was allowed.
func memoryLimit(pid int) uint64 {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	r := unix.Rlimit{Cur: unix.RLIM_INFINITY}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, nil, &r); err != nil {
		return unix.RLIM_INFINITY
	}
	return r.Cur
}

type writer func(string)

func (w writer) Write(b []byte) (int, error) {
	w(string(b))
	return len(b), nil
}

// kill ends the process and its group.
func (p *process) kill() {
	select {
	case <-p.done:
	default:
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

const (
	endTimeout    = 2 * time.Second // from the end of the line to the end of the process
	outputTimeout = 5 * time.Second // for the last output of a process that has ended, on a machine that does other things too
)

// wait collects the process, whose line has closed, and ends what it left running.
func (p *process) wait() End {
	select {
	case <-p.done:
	case <-time.After(endTimeout):
		p.kill()
		<-p.done
	}
	endMarked(p.mark)
	drained := make(chan struct{})
	go func() { p.output.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(outputTimeout):
	}
	for _, f := range p.pipes {
		f.Close()
	}
	text := p.stderr.end()
	return End{Cause: p.cause(text), Stderr: text}
}

// cause says in one line how the process ended.
func (p *process) cause(stderr string) string {
	limited := p.limit != unix.RLIM_INFINITY
	says := func(signs ...string) bool {
		return slices.ContainsFunc(signs, func(sign string) bool { return strings.Contains(stderr, sign) })
	}
	switch {
	case limited && says("out of memory", "cannot allocate memory", "pthread_create failed", "failed to create new OS thread"): // no room for a stack
		return fmt.Sprintf("out of memory: its limit is %d MB (%%memlimit SIZE allows more)", p.limit/1e6)
	case says("out of memory", "cannot allocate memory"):
		return "out of memory"
	}
	for _, known := range [][2]string{
		{"goroutine stack exceeds", "stack overflow"},
		{"fatal error: all goroutines are asleep", "deadlock"},
		{"fatal error: concurrent map", "data race on a map"},
		{"SIGSEGV", "invalid memory address (SIGSEGV)"},
		{"SIGBUS", "bus error (SIGBUS)"},
		{"SIGILL", "illegal instruction (SIGILL)"},
	} {
		if strings.Contains(stderr, known[0]) {
			return known[1]
		}
	}
	if line, ok := lineWith(stderr, "panic: "); ok {
		return line
	}
	if line, ok := lineWith(stderr, "fatal error: "); ok {
		return line
	}
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGKILL && oomKills() > p.ooms:
		return "killed by the system: out of memory"
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return "killed (signal 9), most likely by the system for want of memory"
	case status.Signaled():
		return "killed by signal " + status.Signal().String()
	}
	return p.cmd.ProcessState.String()
}

func lineWith(text, prefix string) (string, bool) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSpace(line), true
		}
	}
	return "", false
}

// oomKills counts the out-of-memory kills of our control group; 0 where that cannot be read.
func oomKills() int {
	cgroup, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(cgroup)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		events, _ := os.ReadFile("/sys/fs/cgroup" + path + "/memory.events")
		for line := range strings.Lines(string(events)) {
			var n int
			if _, err := fmt.Sscanf(line, "oom_kill %d", &n); err == nil {
				return n
			}
		}
	}
	return 0
}

const (
	tailBytes = 32 << 10
	tailDelay = 50 * time.Millisecond
	tailMost  = 200 // delays for which the words of a crash are held back: writing them takes a while
)

// tail passes a process's standard error on after tailDelay, or later if it looks like a crash, so that the words of a crash are not
// both output of the cell and its error: those that were held back when the process ended are the crash's.
type tail struct {
	out func(name, text string)

	mu    sync.Mutex
	last  []byte // passed on or not, at most the last tailBytes
	held  []byte // not passed on yet
	timer *time.Timer
	late  int // delays since held began
	ended bool
}

func (t *tail) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = append(t.held, text...)
	t.last = append(t.last, text...)
	if n := len(t.last) - tailBytes; n > 0 {
		t.last = append(t.last[:0], t.last[n:]...)
	}
	if t.timer == nil {
		t.timer = time.AfterFunc(tailDelay, t.pass)
	}
}

func (t *tail) pass() {
	t.mu.Lock()
	if t.late++; t.late < tailMost && crashing(t.held) && !t.ended {
		t.timer.Reset(tailDelay)
		t.mu.Unlock()
		return
	}
	text := string(t.held)
	t.held, t.timer, t.late = nil, nil, 0
	ended := t.ended
	t.mu.Unlock()
	if text != "" && !ended {
		t.out("stderr", text)
	}
}

// crashing reports whether text is how the Go runtime begins to say why it ends the process.
func crashing(text []byte) bool {
	for _, first := range []string{"fatal error: ", "panic: ", "runtime: ", "SIG", "unexpected fault address "} {
		if bytes.HasPrefix(text, []byte(first)) || bytes.Contains(text, []byte("\n"+first)) {
			return true
		}
	}
	return false
}

// end stops passing on and returns the last words: the beginning of what was held back, where a crash names its reason.
func (t *tail) end() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if len(t.held) > 0 {
		return string(t.held[:min(len(t.held), tailBytes)])
	}
	return string(t.last)
}
