package magic

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"quire/kernel/session"
)

func timing() []session.Magic {
	return []session.Magic{
		{Name: "time", Line: timeLine, Body: timeBody, Help: `%time CODE runs code and says how long it took, in wall and in processor time.

	%time model.Load(path)
	%%time                  the whole cell`},
		{Name: "timeit", Line: timeitLine, Body: timeitBody, Help: `%timeit [-n LOOPS] [-r RUNS] CODE measures code that is quick: mean and spread of several runs of many loops.

Without -n a run lasts 20 ms or more. The loop is interpreted (some 100 ns a turn): to time compiled code use %bench.

	%timeit -r 3 strings.Repeat("x", 1000)
	%%timeit SETUP          setup once on the first line, then the body that is timed`},
	}
}

func timeLine(c *session.Cell, args string) error {
	if args == "" {
		return usage("%time CODE")
	}
	return timeBody(c, "", args)
}

func timeBody(c *session.Cell, args, body string) error {
	if args != "" {
		body = args + "\n" + body
	}
	cpu, start := processorTime(), time.Now()
	err := c.RunCell(body)
	wall, used := time.Since(start), processorTime()-cpu
	fmt.Fprintf(c.Stdout(), "wall %s   cpu %s\n", duration(wall), duration(used))
	return err
}

// processorTime is what this process has used so far in all threads.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// duration rounds to four digits.
func duration(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 10000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// timer is the name under which the code under %timeit finds its measuring function; it exists only while that code runs.
const timer = "timeit__run"

type timeit struct{ loops, runs int }

func timeitLine(c *session.Cell, args string) error {
	t, code, err := timeitFlags(args)
	if err != nil {
		return err
	}
	if code == "" {
		return usage("%timeit [-n LOOPS] [-r RUNS] CODE")
	}
	return t.measure(c, code)
}

func timeitBody(c *session.Cell, args, body string) error {
	t, setup, err := timeitFlags(args)
	if err != nil {
		return err
	}
	if setup != "" {
		if err := c.Run(setup); err != nil {
			return err
		}
	}
	return t.measure(c, body)
}

func timeitFlags(args string) (timeit, string, error) {
	t := timeit{runs: 7}
	for {
		args = strings.TrimSpace(args)
		var to *int
		switch {
		case strings.HasPrefix(args, "-n"):
			to = &t.loops
		case strings.HasPrefix(args, "-r"):
			to = &t.runs
		default:
			return t, args, nil
		}
		number, rest, _ := strings.Cut(strings.TrimSpace(args[2:]), " ")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return t, "", usage("%timeit [-n LOOPS] [-r RUNS] CODE, with numbers from 1")
		}
		*to, args = n, rest
	}
}

// measure runs the code in a loop of the cell's own, and prints what it took.
func (t timeit) measure(c *session.Cell, code string) error {
	var each []float64 // nanoseconds a loop
	run := func(f func(loops int)) {
		n := t.loops
		if n == 0 {
			n = calibrate(f)
		}
		for len(each) < t.runs && c.Context().Err() == nil {
			start := time.Now()
			f(n)
			each = append(each, float64(time.Since(start))/float64(n))
		}
		t.loops = n
	}
	if err := c.Session().Define(timer, reflect.ValueOf(&run)); err != nil {
		return err
	}
	err := c.Run(fmt.Sprintf("%s(func(timeit__n int) { for range timeit__n {\n%s\n} })", timer, code))
	if e := c.Session().Forget(timer); err == nil {
		err = e
	}
	if err != nil || len(each) == 0 {
		return err
	}
	mean, spread := meanAndDeviation(each)
	fmt.Fprintf(c.Stdout(), "%s ± %s per loop (best %s, %d runs of %d loops)\n",
		duration(time.Duration(mean)), duration(time.Duration(spread)), duration(time.Duration(slices.Min(each))), len(each), t.loops)
	return nil
}

// calibrate finds a number of loops that lasts 20 ms.
func calibrate(f func(int)) int {
	for n := 1; ; {
		start := time.Now()
		f(n)
		took := time.Since(start)
		if took >= 20*time.Millisecond || n >= 1e9 {
			return n
		}
		n = max(2*n, int(float64(n)*float64(20*time.Millisecond)/float64(max(took, time.Microsecond))))
		n = min(n, 1e9)
	}
}

func meanAndDeviation(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		deviation += (v - mean) * (v - mean) / float64(len(x))
	}
	return mean, math.Sqrt(deviation)
}
