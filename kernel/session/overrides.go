package session

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/goplus/ixgo"
)

// printWriter is where print and println of cells write: standard error, as in compiled Go.
type printWriter struct{}

func (printWriter) Write(b []byte) (int, error) { return errorStream().Write(b) }

// outputStream and errorStream are the streams of the calling goroutine's cell, or of the process for goroutines without one.
func outputStream() io.Writer {
	if c := Current(); c != nil {
		return streamWriter{c, "stdout"}
	}
	return os.Stdout
}

func errorStream() io.Writer {
	if c := Current(); c != nil {
		return streamWriter{c, "stderr"}
	}
	return os.Stderr
}

// resolve replaces the process's standard streams by those of the cell.
func resolve(w io.Writer) io.Writer {
	switch f, _ := w.(*os.File); {
	case f == nil:
		return w
	case f == os.Stdout:
		return outputStream()
	case f == os.Stderr:
		return errorStream()
	}
	return w
}

func resolveReader(r io.Reader) io.Reader {
	if f, _ := r.(*os.File); f != nil && f == os.Stdin {
		return input()
	}
	return r
}

// logWriter is standard error of the goroutine's cell, for the default logger.
type logWriter struct{}

func (logWriter) Write(b []byte) (int, error) { return errorStream().Write(b) }

// redirectLog sends what the default logger writes to the process's standard error to the goroutine's cell instead. A logger that the
// program has pointed elsewhere stays as it is.
func redirectLog() (restore func()) {
	old := log.Writer()
	if f, ok := old.(*os.File); !ok || f.Name() != "/dev/stderr" {
		return func() {}
	}
	log.SetOutput(logWriter{})
	return func() { log.SetOutput(old) }
}

// exit ends the calling goroutine's cell as os.Exit ends a program.
func exit(code int) {
	c := Current()
	if c == nil {
		panic(exitStatus(code))
	}
	c.interrupt(exitStatus(code))
	panic(stopped{})
}

// installOverrides replaces, for interpreted code, the functions of the standard library that reach the process's streams or end it.
var installOverrides = sync.OnceFunc(func() {
	for name, f := range map[string]any{
		"os.Exit":                   exit,
		"log.Fatal":                 func(a ...any) { log.Output(2, fmt.Sprint(a...)); exit(1) },
		"log.Fatalf":                func(f string, a ...any) { log.Output(2, fmt.Sprintf(f, a...)); exit(1) },
		"log.Fatalln":               func(a ...any) { log.Output(2, fmt.Sprintln(a...)); exit(1) },
		"(*log.Logger).Fatal":       func(l *log.Logger, a ...any) { l.Output(2, fmt.Sprint(a...)); exit(1) },
		"(*log.Logger).Fatalf":      func(l *log.Logger, f string, a ...any) { l.Output(2, fmt.Sprintf(f, a...)); exit(1) },
		"(*log.Logger).Fatalln":     func(l *log.Logger, a ...any) { l.Output(2, fmt.Sprintln(a...)); exit(1) },
		"log.New":                   func(w io.Writer, p string, f int) *log.Logger { return log.New(resolve(w), p, f) },
		"fmt.Print":                 func(a ...any) (int, error) { return fmt.Fprint(outputStream(), a...) },
		"fmt.Println":               func(a ...any) (int, error) { return fmt.Fprintln(outputStream(), a...) },
		"fmt.Printf":                func(f string, a ...any) (int, error) { return fmt.Fprintf(outputStream(), f, a...) },
		"fmt.Fprint":                func(w io.Writer, a ...any) (int, error) { return fmt.Fprint(resolve(w), a...) },
		"fmt.Fprintln":              func(w io.Writer, a ...any) (int, error) { return fmt.Fprintln(resolve(w), a...) },
		"fmt.Fprintf":               func(w io.Writer, f string, a ...any) (int, error) { return fmt.Fprintf(resolve(w), f, a...) },
		"fmt.Scan":                  func(a ...any) (int, error) { return fmt.Fscan(input(), a...) },
		"fmt.Scanln":                func(a ...any) (int, error) { return fmt.Fscanln(input(), a...) },
		"fmt.Scanf":                 func(f string, a ...any) (int, error) { return fmt.Fscanf(input(), f, a...) },
		"fmt.Fscan":                 func(r io.Reader, a ...any) (int, error) { return fmt.Fscan(resolveReader(r), a...) },
		"fmt.Fscanln":               func(r io.Reader, a ...any) (int, error) { return fmt.Fscanln(resolveReader(r), a...) },
		"fmt.Fscanf":                func(r io.Reader, f string, a ...any) (int, error) { return fmt.Fscanf(resolveReader(r), f, a...) },
		"bufio.NewReader":           func(r io.Reader) *bufio.Reader { return bufio.NewReader(resolveReader(r)) },
		"bufio.NewReaderSize":       func(r io.Reader, n int) *bufio.Reader { return bufio.NewReaderSize(resolveReader(r), n) },
		"bufio.NewScanner":          func(r io.Reader) *bufio.Scanner { return bufio.NewScanner(resolveReader(r)) },
		"bufio.NewWriter":           func(w io.Writer) *bufio.Writer { return bufio.NewWriter(resolve(w)) },
		"bufio.NewWriterSize":       func(w io.Writer, n int) *bufio.Writer { return bufio.NewWriterSize(resolve(w), n) },
		"io.ReadAll":                func(r io.Reader) ([]byte, error) { return io.ReadAll(resolveReader(r)) },
		"io.WriteString":            func(w io.Writer, s string) (int, error) { return io.WriteString(resolve(w), s) },
		"io.Copy":                   func(w io.Writer, r io.Reader) (int64, error) { return io.Copy(resolve(w), resolveReader(r)) },
		"(*os.File).Read":           func(f *os.File, b []byte) (int, error) { return resolveReader(f).Read(b) },
		"(*os.File).Write":          func(f *os.File, b []byte) (int, error) { return resolve(f).Write(b) },
		"(*os.File).WriteString":    func(f *os.File, s string) (int, error) { return io.WriteString(resolve(f), s) },
		"time.Sleep":                sleep,
		"runtime/debug.SetMaxStack": func(int) int { return 1 << 30 },
	} {
		ixgo.RegisterExternal(name, f)
	}
})

// sleep is time.Sleep that an interrupt ends.
func sleep(d time.Duration) {
	c := Current()
	if c == nil || d < time.Millisecond {
		time.Sleep(d)
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
		poll()
		<-t.C // a deferred function of a stopped cell may sleep
	}
}

// stdin is the standard input of a cell: every line is asked for.
type stdin struct {
	c   *Cell
	mu  sync.Mutex
	buf bytes.Buffer
}

// input is the standard input of the calling goroutine's cell. What one read leaves over is there for the next.
func input() io.Reader {
	c := Current()
	if c == nil {
		return strings.NewReader("")
	}
	c.inputOnce.Do(func() { c.stdin = &stdin{c: c} })
	return c.stdin
}

func (r *stdin) fill() error {
	if r.buf.Len() > 0 {
		return nil
	}
	line, err := r.c.Input("", false)
	if err != nil {
		if r.c.ctx.Err() != nil {
			poll()
		}
		return err
	}
	r.buf.WriteString(line)
	r.buf.WriteByte('\n')
	return nil
}

// Read returns at most one line, asking for it when none is left over.
func (r *stdin) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(b) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	return r.buf.Read(b)
}

// ReadRune makes stdin an io.RuneScanner, so that fmt.Scan does not lose the character after a value.
func (r *stdin) ReadRune() (rune, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fill(); err != nil {
		return 0, 0, err
	}
	return r.buf.ReadRune()
}

// UnreadRune implements io.RuneScanner.
func (r *stdin) UnreadRune() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.UnreadRune()
}
