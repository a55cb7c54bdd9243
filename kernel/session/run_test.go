package session

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"quire/kernel/link"
)

func TestOutputOfGoroutines(t *testing.T) {
	n := newNotebook(t)
	n.run("go1 := make(chan string)\ngo func() { for s := range go1 { fmt.Println(\"late\", s); done <- true } }()\ndone := make(chan bool)")
	n.run("done := make(chan bool)\ngo1 := make(chan string)\ngo func() { for s := range go1 { fmt.Println(\"late\", s); done <- true } }()")
	if out := n.run("fmt.Println(\"here\")\ngo1 <- \"x\"\n<-done;"); out != "stdout@c3:here\n|stdout@c2:late x\n" {
		t.Errorf("output %q", out)
	}
}

func TestStreams(t *testing.T) {
	n := newNotebook(t)
	for _, c := range []struct{ code, want string }{
		{"fmt.Print(1); fmt.Fprint(os.Stderr, 2); fmt.Print(3)", "stdout@c1:1|stderr@c1:2|stdout@c1:3"},
		{"println(\"to stderr\", 7)", "stderr@c2:to stderr 7\n"},
		{"os.Stdout.WriteString(\"direct\")\nio.WriteString(os.Stdout, \"; io\");", "stdout@c3:direct; io"},
		{"w := bufio.NewWriter(os.Stdout)\nfmt.Fprintf(w, \"%d\", 5)\nw.Flush()", "stdout@c4:5"},
		{"log.SetFlags(0)\nlog.Print(\"logged\")", "stderr@c5:logged\n"},
		{"json.NewEncoder(os.Stdout).Encode(3)", "stdout@c6:3\n"},
		{"fmt.Print(\"é\"[:1]); fmt.Print(\"é\"[1:])", "stdout@c7:é"},
	} {
		if out := n.run(c.code); out != c.want {
			t.Errorf("%s: %q, want %q", c.code, out, c.want)
		}
	}
}

func TestCompiledCodeWritesToPipe(t *testing.T) {
	n := newNotebook(t)
	n.s.magics["native"] = &Magic{Name: "native", Line: func(c *Cell, args string) error {
		fmt.Fprintln(os.Stdout, "from", args)
		fmt.Fprintln(os.Stderr, "error from", args)
		return nil
	}}
	out := n.run("%native code")
	if !strings.Contains(out, "stdout@c1:from code\n") || !strings.Contains(out, "stderr@c1:error from code\n") {
		t.Errorf("output %q", out)
	}
}

func TestManyLinesFewMessages(t *testing.T) {
	n := newNotebook(t)
	start := time.Now()
	r := n.exec("for i := range 20_000 { fmt.Println(i) }")
	if most := 20 + int(time.Since(start)/flushAfter); r.Err != nil || n.out.streams > most {
		t.Fatalf("%v after %d messages, want at most %d", r.Err, n.out.streams, most)
	}
	lines := bufio.NewScanner(strings.NewReader(strings.TrimPrefix(n.out.take(), "stdout@c1:")))
	for i := range 20_000 {
		if !lines.Scan() || lines.Text() != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, lines.Text())
		}
	}
}

// TestTextIsSentSoon checks that text does not wait for the end of the cell.
func TestTextIsSentSoon(t *testing.T) {
	n := newNotebook(t)
	n.exec("go1 := make(chan bool)")
	done := make(chan link.Executed)
	go func() { done <- n.exec("fmt.Println(\"now\"); <-go1") }()
	n.out.waitFor(t, "stdout@c2:now\n")
	n.s.Execute(context.Background(), link.Execute{Cell: "other", Code: "go1 <- true", Count: 3}, n.out)
	if r := <-done; r.Err != nil {
		t.Error(r.Err)
	}
}

func TestInput(t *testing.T) {
	n := newNotebook(t)
	n.out.answers = []string{"7 x", "second line", "third", "4"}
	for _, c := range []struct{ code, want string }{
		{"var k int\nvar s string\nfmt.Scan(&k, &s);", ""},
		{"fmt.Sprint(k, s)", "=7x"},
		{"r := bufio.NewReader(os.Stdin)\nline, _ := r.ReadString('\\n')\nline", "=second line\n"},
		{"b := make([]byte, 10)\nm, _ := os.Stdin.Read(b)\nstring(b[:m])", "=third\n"},
		{"fmt.Scanln(&k)\nk", "=4"},
		{"fmt.Scan(&k)", "=0\nEOF"},
	} {
		if out := n.run(c.code); out != c.want {
			t.Errorf("%s: %q, want %q", c.code, out, c.want)
		}
	}
}

// interrupted runs code that prints "up" and interrupts it then; code that does not mention UP prints first.
func (n *notebook) interrupted(code string) link.Executed {
	n.t.Helper()
	if !strings.Contains(code, "UP") {
		code = "UP\n" + code
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan link.Executed)
	go func() { done <- n.execCtx(ctx, strings.ReplaceAll(code, "UP", `fmt.Println("up")`)) }()
	n.out.waitFor(n.t, "up\n")
	cancel()
	r := <-done
	n.out.take()
	return r
}

func TestInterrupt(t *testing.T) {
	n := newNotebook(t)
	n.s.cfg.Grace = 10 * time.Minute // none of these cells is to be abandoned
	n.run("x := 1\nvar ended atomic.Int64\nfunc spin(n int) { for { n++ } }\nfunc down(n int) int { if n == 0 { return 0 }; return down(n-1) }\nch := make(chan int)")
	for _, code := range []string{
		"for {}", "for { x++ }", "spin(1)", "for { down(10) }", "time.Sleep(time.Hour)", "go func() { defer ended.Add(1); spin(2) }()\nspin(3)",
		"defer func() { x = 100 }()\nUP\nfor {}", "for { func() { defer func() { recover() }(); for {} }() }",
		"<-cell.Context().Done()", "select { case <-cell.Context().Done(): case <-time.After(time.Hour): }", "loop:\ngoto loop", "for range func(yield func(int) bool) { for yield(1) {} } {}",
	} {
		r := n.interrupted(code)
		if r.Err == nil && !strings.Contains(code, "Context") || r.Err != nil && r.Err.Name != "Interrupt" {
			t.Errorf("%s: ended with %v", code, r.Err)
		}
	}
	if out := n.run("x >= 100"); out != "=true" {
		t.Errorf("after interrupts x >= 100 is %s: a deferred function did not run, or variables are lost", out)
	}
	if out := n.run("for ended.Load() == 0 { time.Sleep(time.Millisecond) }\nended.Load()"); out != "=1" {
		t.Errorf("the goroutine of an interrupted cell goes on: %s", out)
	}
}

// TestAbandon interrupts a cell that waits where nothing can stop it.
func TestAbandon(t *testing.T) {
	n := newNotebook(t)
	n.s.cfg.Grace = 50 * time.Millisecond
	n.run("x := 5\nch := make(chan int)")
	r := n.interrupted("<-ch\nx = 6")
	if r.Err == nil || r.Err.Name != "Interrupt" || !strings.Contains(r.Err.Value, "background") {
		t.Fatal(r.Err)
	}
	if out := n.run("ch <- 1\nx"); out != "=5" && out != "=6" {
		t.Errorf("x %s", out)
	}
}

// TestSideBySide runs cells of two subshells at the same time.
func TestSideBySide(t *testing.T) {
	n := newNotebook(t)
	n.run("a, b := make(chan int), make(chan int)")
	var wg sync.WaitGroup
	for i, code := range []string{"a <- 1; fmt.Println(\"first\", <-b)", "fmt.Println(\"second\", <-a); b <- 2"} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := n.s.Execute(context.Background(), link.Execute{Cell: fmt.Sprint("s", i), Code: code, Count: 10 + i}, n.out)
			if r.Err != nil {
				t.Error(r.Err)
			}
		}()
	}
	wg.Wait()
	out := n.out.take()
	if !strings.Contains(out, "stdout@s0:first 2\n") || !strings.Contains(out, "stdout@s1:second 1\n") {
		t.Errorf("output %q", out)
	}
}

func TestPackageCell(t *testing.T) {
	n := newNotebook(t)
	n.out.answers = []string{"me"}
	for _, c := range []struct{ code, want string }{
		{"cell.Display([]int{1})\nfmt.Println(2)", "display:[1]|stdout@c1:2\n"},
		{"fmt.Println(1)\ncell.Update(\"id\", \"a\")\ncell.Update(\"id\", \"b\")\ncell.Clear(true)", "stdout@c2:1\n|display:a|display:b|clear"},
		{"name, err := cell.Input(\"who? \")\nname", "=me"},
		{"cell.Context().Err() == nil", "=true"},
	} {
		if out := n.run(c.code); out != c.want {
			t.Errorf("%s: %q, want %q", c.code, out, c.want)
		}
	}
}

func TestExpressions(t *testing.T) {
	n := newNotebook(t)
	r := n.s.Execute(context.Background(), link.Execute{Cell: "e", Count: 1, Code: "x := 20", Expressions: map[string]string{"ok": "x + 1", "bad": "nope", "boom": "[]int{}[x]"}}, n.out)
	if v := r.Expressions["ok"].Value; v == nil || v.Data["text/plain"] != "21" {
		t.Errorf("ok: %+v", r.Expressions["ok"])
	}
	if e := r.Expressions["bad"].Err; e == nil || e.Name != "CompileError" {
		t.Errorf("bad: %+v", e)
	}
	if e := r.Expressions["boom"].Err; e == nil || e.Name != "Panic" {
		t.Errorf("boom: %+v", e)
	}
}

func TestPanicOfGoroutineAfterItsCell(t *testing.T) {
	n := newNotebook(t)
	n.run("go1 := make(chan bool)\ngo func() { <-go1; var p *int; *p = 1 }()")
	n.run("close(go1)")
	n.out.waitFor(t, "\n    go func()")
	out := n.out.take()
	if !strings.Contains(out, "stderr@c1:in a goroutine of this cell: Panic: runtime error: invalid memory address") || !strings.Contains(out, "cell[1]:2") {
		t.Errorf("output %q", out)
	}
}

// TestMethodsWhileDeclaring calls methods of interpreted types while cells declare more of them.
func TestMethodsWhileDeclaring(t *testing.T) {
	n := newNotebook(t)
	n.run("type T struct{ n int }\nfunc (t T) String() string { return fmt.Sprint(t.n) }\nstop := make(chan bool)\nvar calls atomic.Int64\ngo func() { for { select { case <-stop: return; default: _ = fmt.Sprint(T{1}); calls.Add(1) } } }()\nfor calls.Load() == 0 { runtime.Gosched() }")
	for i := range 30 {
		if r := n.exec(fmt.Sprintf("type U%d struct{}\nfunc (U%d) String() string { return \"u%d\" }\nfunc (U%d) Error() string { return \"\" }\nfmt.Sprint(U%d{})", i, i, i, i, i)); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if out := n.run("stop <- true\ncalls.Load() > 0"); out != "=true" {
		t.Error(out)
	}
}

// TestSoak runs many cells with types, closures and goroutines: neither memory nor goroutines may grow with their number.
// (Nor may time: BenchmarkThousandCells has that.)
func TestSoak(t *testing.T) {
	const cells, blocks = 2000, 5
	n := newNotebook(t)
	n.run("total := 0\nvar mu sync.Mutex")
	goroutines := runtime.NumGoroutine()
	step := func(i int) {
		code := fmt.Sprintf("type T%d struct{ v int }\nfunc (t T%d) Get() int { return t.v }\nx := T%d{%d}\nf := func() int { return x.Get() + total }\n"+
			"done := make(chan int)\ngo func() { done <- f() }()\nmu.Lock(); total += <-done %% 7; mu.Unlock()\ntotal", i%50, i%50, i%50, i)
		if r := n.exec(code); r.Err != nil {
			t.Fatalf("cell %d: %v", i, r.Err)
		}
		n.out.take()
	}
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var heaps []int64
	for b := range blocks {
		for i := range cells / blocks {
			step(b*cells/blocks + i)
		}
		heaps = append(heaps, heap())
	}
	t.Logf("%d cells, heap by fifths: %v", cells, heaps)
	if perCell := (heaps[blocks-1] - heaps[0]) / (cells * (blocks - 1) / blocks); perCell > 1<<10 { // its source stays in the history
		t.Errorf("a cell leaves %d bytes behind", perCell)
	}
	for end := time.Now().Add(waitLimit); runtime.NumGoroutine() > goroutines+20; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines at the end, %d at the beginning", runtime.NumGoroutine(), goroutines)
		}
	}
}

// TestRedefine declares functions and variables again that functions of the same earlier cell, and of others, use.
func TestRedefine(t *testing.T) {
	n := newNotebook(t)
	n.run("x := 1\nfunc f() int { return 1 }\nfunc two(a int, more ...string) (int, string) { return a, \"old\" }\n" +
		"func g() int { return f() * 10 }\nfunc gx() int { return x * 10 }\n" +
		"func value() func() int { return f }\nfunc deferred() (n int) { defer func() { n = f() }(); return 0 }\n" +
		"func started() int { c := make(chan int); go func() { c <- f() }(); return <-c }\n" +
		"func tuple() string { _, s := two(3, \"a\", \"b\"); return s }\n" +
		"type T struct{}\nfunc (T) M() int { return f() + 100 }\nfunc gen[A any](a A) int { return f() }\n" +
		"func up(n int) int { if n == 0 { return f() }; return up(n-1) }\nh := func() int { return f() + 1000 }\nold := f")
	n.run("func outer() int { return g() + 1 }")
	all := "fmt.Sprint(g(), gx(), value()(), deferred(), started(), tuple(), T{}.M(), gen(0), up(3), h(), old(), outer())"
	check := func(want string) {
		t.Helper()
		if got := n.run(all); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	check(`=10 10 1 1 1old101 1 1 1001 1 11`)
	n.run("func f() int { return 2 }\nx := 2\nfunc two(a int, more ...string) (int, string) { return a, more[1] }")
	check(`=20 20 2 2 2b102 2 2 1002 1 21`)
	n.run("func f() int { return 3 }\nvar x int")
	check(`=30 0 3 3 3b103 3 3 1003 1 31`)
	n.run("func f() int { return old() + 4 }\nfunc g() int { return 7 * f() }")
	check(`=35 0 5 5 5b105 5 5 1005 1 36`)
	n.run("func f() string { return \"another type\" }")
	check(`=35 0 5 5 5b105 5 5 1005 1 36`)
}

// TestInterruptCompile interrupts a cell whose compiling takes long: it ends at once, and declares nothing.
func TestInterruptCompile(t *testing.T) {
	n := newNotebook(t)
	compiling, goOn := make(chan bool, 1), make(chan bool)
	n.s.cfg.Instance = func(string, string) (reflect.Value, bool) {
		select {
		case compiling <- true:
			<-goOn
		default:
		}
		return reflect.Value{}, false
	}
	n.run("func f() int { return 1 }")
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-compiling; cancel() }()
	code := "func f() int { return 2 }\ntype T int\nx := []int{2, 1}\nslices.Sort(x)\nprintln(x[0])"
	if r := n.execCtx(ctx, code); r.Err == nil || r.Err.Name != "Interrupt" { // while the compiler waits for goOn
		t.Errorf("ended with %v", r.Err)
	}
	compiling <- true
	close(goOn)
	if out := n.run("f()"); out != "=1" {
		t.Errorf("f() is %s", out)
	}
	for _, name := range n.s.Names() {
		if name.Name == "x" || name.Name == "T" {
			t.Errorf("%s is declared", name.Name)
		}
	}
	if out := n.run(code + "\nfmt.Sprint(f(), x)"); !strings.HasSuffix(out, "=2 [1 2]") {
		t.Errorf("the same cell again gives %q", out)
	}
}
