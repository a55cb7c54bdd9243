package kerneltest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Peer is a kernel to be measured and what its cells look like.
type Peer struct {
	Argv      []string // with "{connection_file}"
	Env       []string
	Print     string // a cell that prints %d
	Lines     string // a cell that prints 200,000 lines
	Complete  string // a name to complete
	Inspect   string // a name to inspect
	Loop      string // a cell that never ends; "" if that is not measured
	Native    string // a cell compiled anew for each %d; "" if that is not measured
	Variables string // a cell that sets a variable, and
	Kept      string // a cell that fails unless the variable is still there
}

// Quire is this kernel.
func Quire(binary string) Peer {
	return Peer{
		Argv: []string{binary, "kernel", "-f", "{connection_file}"}, Print: "fmt.Println(%d)",
		Lines:    "for i := 0; i < 200000; i++ { fmt.Println(\"line\", i) }",
		Complete: "fmt.Pri", Inspect: "fmt.Println", Loop: "for {}",
		Native: "%%%%native\nfunc native%[1]d(x int) int { return x + %[1]d }", Variables: "kept := 1", Kept: "kept + 1",
	}
}

// IPyKernel is the kernel of Python.
func IPyKernel(python string) Peer {
	return Peer{
		Argv: []string{python, "-m", "ipykernel_launcher", "-f", "{connection_file}"}, Print: "print(%d)",
		Lines: "for i in range(200000): print('line', i)", Complete: "pri", Inspect: "print",
	}
}

// Rounds says how often each thing is measured.
type Rounds struct{ Spawn, Cells, Lines, Asks, Interrupts, Natives int }

// DefaultRounds takes about half a minute.
func DefaultRounds() Rounds {
	return Rounds{Spawn: 7, Cells: 150, Lines: 5, Asks: 30, Interrupts: 5, Natives: 4}
}

// figures are the medians of one kernel.
type figures struct {
	spawn, firstCell, cell, lines    time.Duration
	complete, inspect                time.Duration
	busyComplete, busyInspect        time.Duration
	interrupt, native                time.Duration
	messages                         int
	resident                         int64
	kept                             bool
	cells, spawns, firsts, lineTimes []time.Duration
}

const benchLimit = 60 * time.Second

// Timing is a median that both kernels have.
type Timing struct {
	What         string
	Kernel, Peer time.Duration
}

// Bench measures a kernel beside a peer, turn by turn, writes a table with the bars, and returns what an open notebook feels.
func Bench(w io.Writer, kernel, peer Peer, n Rounds) ([]Timing, error) {
	dir, err := os.MkdirTemp("", "quire-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	both := []Peer{kernel, peer}
	var got [2]figures
	for range n.Spawn {
		for i, p := range both {
			if err := got[i].spawnOnce(p, dir); err != nil {
				return nil, fmt.Errorf("%s: %w", p.Argv[0], err)
			}
		}
	}
	var live [2]*Client
	var processes [2]*Process
	for i, p := range both {
		if processes[i], err = Spawn(p.Argv, p.Env, "tcp", dir, io.Discard); err != nil {
			return nil, err
		}
		defer processes[i].Kill()
		if live[i], err = processes[i].Dial(benchLimit, Dial); err != nil {
			return nil, err
		}
		defer live[i].Close()
		if _, err := timed(live[i], fmt.Sprintf(p.Print, 0)); err != nil {
			return nil, err
		}
		got[i].resident = resident(processes[i].Cmd.Process.Pid)
	}
	for round := range n.Cells {
		for i, p := range both {
			d, err := timed(live[i], fmt.Sprintf(p.Print, round+1))
			if err != nil {
				return nil, err
			}
			got[i].cells = append(got[i].cells, d)
		}
	}
	for range n.Lines {
		for i, p := range both {
			if err := got[i].linesOnce(live[i], p); err != nil {
				return nil, err
			}
		}
	}
	for i, p := range both {
		f := &got[i]
		f.spawn, f.firstCell, f.cell, f.lines = median(f.spawns), median(f.firsts), median(f.cells), median(f.lineTimes)
		f.complete, f.inspect, err = asks(live[i], p, n.Asks)
		report(w, err)
		report(w, f.loops(live[i], p, n))
		report(w, f.natives(live[i], p, n.Natives))
	}
	q, o := got[0], got[1]
	table(w, q, o)
	return []Timing{
		{"a cell, from execute to reply and idle", q.cell, o.cell}, {"start, to kernel_info_reply", q.spawn, o.spawn},
		{"completion", q.complete, o.complete}, {"200,000 lines of output", q.lines, o.lines},
	}, nil
}

// report writes why a figure is missing; its row then says so too.
func report(w io.Writer, err error) {
	if err != nil {
		fmt.Fprintln(w, err)
	}
}

// spawnOnce measures the time from the start of a process to its kernel_info_reply, and the first cell after it.
func (f *figures) spawnOnce(p Peer, dir string) error {
	start := time.Now()
	process, err := Spawn(p.Argv, p.Env, "tcp", dir, io.Discard)
	if err != nil {
		return err
	}
	defer process.Kill()
	c, err := process.Dial(benchLimit, Connect)
	if err != nil {
		return err
	}
	defer c.Close()
	id := c.Send(Shell, "kernel_info_request", struct{}{})
	answer := func(m Received) bool { return m.Parent == id && m.Channel == Shell }
	if _, err := c.Wait(benchLimit, answer); err != nil {
		return err
	}
	f.spawns = append(f.spawns, time.Since(start))
	start = time.Now()
	id = c.Run(fmt.Sprintf(p.Print, 0))
	reply, err := c.Wait(benchLimit, answer)
	if err == nil && reply.Get("status") != "ok" {
		err = fmt.Errorf("kerneltest: the first cell failed: %s", reply.Get("evalue"))
	}
	f.firsts = append(f.firsts, time.Since(start))
	return err
}

// timed runs a cell that must succeed; the time is that from sending until both the reply and the idle status are there.
func timed(c *Client, code string) (time.Duration, error) {
	start := time.Now()
	_, reply, err := c.Execute(code, benchLimit)
	d := time.Since(start)
	if err == nil && reply.Get("status") != "ok" {
		err = fmt.Errorf("kerneltest: cell %q failed: %s: %s", code, reply.Get("ename"), reply.Get("evalue"))
	}
	return d, err
}

func (f *figures) linesOnce(c *Client, p Peer) error {
	start := time.Now()
	id, reply, err := c.Execute(p.Lines, benchLimit)
	if err != nil {
		return err
	}
	f.lineTimes = append(f.lineTimes, time.Since(start))
	messages, lines := 0, 0
	for _, m := range c.Messages(id) {
		if m.Header.Type == "stream" {
			messages++
			lines += strings.Count(m.Get("text"), "\n")
		}
	}
	f.messages = max(f.messages, messages)
	if lines != 200000 || reply.Get("status") != "ok" {
		return fmt.Errorf("kerneltest: %d of 200000 lines arrived", lines)
	}
	return nil
}

// asks measures completion and inspection.
func asks(c *Client, p Peer, n int) (complete, inspect time.Duration, err error) {
	var times [2][]time.Duration
	for range n {
		for i, what := range []string{"complete", "inspect"} {
			code := []string{p.Complete, p.Inspect}[i]
			start := time.Now()
			id := c.Send(Shell, what+"_request", map[string]any{"code": code, "cursor_pos": len(code), "detail_level": 0})
			reply, err := c.Wait(benchLimit, func(m Received) bool { return m.Parent == id && m.Channel == Shell })
			if err != nil {
				return 0, 0, err
			}
			times[i] = append(times[i], time.Since(start))
			if reply.Get("matches") == "[]" || reply.Get("found") == "false" {
				return 0, 0, fmt.Errorf("kerneltest: nothing found by %s of %q", what, code)
			}
		}
	}
	return median(times[0]), median(times[1]), nil
}

// loops measures the interrupt of an endless loop, and asks while it runs.
func (f *figures) loops(c *Client, p Peer, n Rounds) error {
	if p.Loop == "" {
		return nil
	}
	if _, err := timed(c, p.Variables); err != nil {
		return err
	}
	var times []time.Duration
	for range n.Interrupts {
		id := c.Run(p.Loop)
		if _, err := c.Wait(benchLimit, func(m Received) bool { return m.Parent == id && m.Header.Type == "execute_input" }); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond) // so that the loop, and not its compilation, is interrupted
		var err error
		if f.busyComplete, f.busyInspect, err = asks(c, p, 5); err != nil {
			return err
		}
		start := time.Now()
		c.Send(Control, "interrupt_request", struct{}{})
		reply, err := c.Done(id, benchLimit)
		if err != nil || reply.Get("status") != "error" {
			return errors.Join(err, fmt.Errorf("kerneltest: the interrupted loop replied %q", reply.Get("status")))
		}
		times = append(times, reply.At.Sub(start))
	}
	f.interrupt = median(times)
	_, err := timed(c, p.Kept)
	f.kept = err == nil
	return nil
}

func (f *figures) natives(c *Client, p Peer, n int) error {
	if p.Native == "" {
		return nil
	}
	var times []time.Duration
	for i := range n + 1 {
		d, err := timed(c, fmt.Sprintf(p.Native, i))
		if err != nil {
			return err
		}
		if i > 0 { // the first one warms the build cache
			times = append(times, d)
		}
	}
	f.native = median(times)
	return nil
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Clone(d)
	slices.Sort(d)
	return d[len(d)/2]
}

// resident is the resident memory of a process and its children together, in bytes. A page that they share, as those of one binary,
// counts once (PSS), so that the sum is what the kernel takes from the machine.
func resident(pid int) int64 {
	total := int64(0)
	for _, p := range append(Children(pid), pid) {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		for line := range strings.Lines(string(data)) {
			var kB int64
			if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kB); n == 1 {
				total += kB << 10
			}
		}
	}
	return total
}

func ms(d time.Duration) string {
	if d == 0 {
		return "failed"
	}
	return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
}

// table writes the figures with the bar of each.
func table(w io.Writer, q, peer figures) {
	row := func(what, have, other, bar string, met bool) {
		met = met && have != "failed"
		fmt.Fprintf(w, "%-34s %14s %14s   %-18s %s\n", what, have, other, bar, map[bool]string{true: "met", false: "MISSED"}[met])
	}
	fmt.Fprintf(w, "%-34s %14s %14s   %s\n", "", "quire", "ipykernel", "bar")
	ratio := func(a, b time.Duration, most float64) bool { return a.Seconds() <= most*b.Seconds() }
	row("execute → reply and idle", ms(q.cell), ms(peer.cell), "≤ 1.0 × ipykernel", ratio(q.cell, peer.cell, 1))
	row("spawn → kernel_info_reply", ms(q.spawn), ms(peer.spawn), "≤ 0.2 × ipykernel", ratio(q.spawn, peer.spawn, 0.2))
	row("first cell after that", ms(q.firstCell), ms(peer.firstCell), "≤ 100 ms", q.firstCell <= 100*time.Millisecond)
	const ask = 10 * time.Millisecond
	row("complete", ms(q.complete), ms(peer.complete), "≤ 10 ms", q.complete <= ask)
	row("inspect", ms(q.inspect), ms(peer.inspect), "≤ 10 ms", q.inspect <= ask)
	row("complete while a cell runs", ms(q.busyComplete), "", "≤ 10 ms", q.busyComplete <= ask)
	row("inspect while a cell runs", ms(q.busyInspect), "", "≤ 10 ms", q.busyInspect <= ask)
	row("resident memory, idle", fmt.Sprintf("%.1f MB", float64(q.resident)/1e6), fmt.Sprintf("%.1f MB", float64(peer.resident)/1e6), "≤ 100 MB", q.resident <= 100e6)
	row("200,000 lines of stdout", ms(q.lines), ms(peer.lines), "≤ 1.0 × ipykernel", ratio(q.lines, peer.lines, 1))
	row("  stream messages, most", fmt.Sprint(q.messages), fmt.Sprint(peer.messages), "≤ 20", q.messages <= 20)
	row("interrupt of for {}, variables kept", ms(q.interrupt), "", "≤ 50 ms", q.interrupt <= 50*time.Millisecond && q.kept)
	row("%%native cell, warm", ms(q.native), "", "≤ 700 ms", q.native <= 700*time.Millisecond)
}
