package native_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quire/kernel/host/hosttest"
)

// needCompiler skips a test where plugins can't be built.
func needCompiler(t testing.TB) {
	t.Helper()
	for _, tool := range []string{"go", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine", tool)
		}
	}
	if testing.Short() {
		t.Skip("compiles with the go command")
	}
}

// TestNativeVariables changes session variables of every shape from native code.
func TestNativeVariables(t *testing.T) {
	needCompiler(t)
	k := hosttest.New(t)
	k.Run("type point struct { X, Y int; tag string }\nfunc (p point) Sum() int { return p.X + p.Y }")
	k.Run(`xs := []int{1, 2, 3}
m := map[string][]int{"a": {1}}
p := point{1, 2, "old"}
n := 10
double := func(x int) int { return 2 * x }
when := time.Second`)
	r := k.Run(`%%native
xs = append(xs, n)
m["b"] = xs[:2]
p.X += 40
p.tag = "new"
for i := range xs { xs[i] = double(xs[i]) }
n++
when *= 2
fmt.Println("sum", p.Sum(), len(m))
total := 0
for _, x := range xs { total += x }
total`)
	if r.Stdout != "sum 43 2\n" {
		t.Errorf("native cell printed %q", r.Stdout)
	}
	if got := r.Plain(); got != "32" {
		t.Errorf("native cell shows %q, want 32", got)
	}
	for expr, want := range map[string]string{
		`fmt.Sprint(xs)`: "[2 4 6 20]", `fmt.Sprint(m["b"])`: "[2 4]", `p.tag`: "new", `p.Sum()`: "43", `n`: "11", `when`: "2s", `total + 1`: "33",
	} {
		if expr == `p.Sum()` {
			want = "43"
		}
		if got := k.Run(expr).Plain(); got != want {
			t.Errorf("%s = %s, want %s", expr, got, want)
		}
	}
}

// TestNativeDeclarations uses what a native cell declares in ordinary and in native cells.
func TestNativeDeclarations(t *testing.T) {
	needCompiler(t)
	k := hosttest.New(t)
	k.Run(`%%native
import "math/bits"

type Vec []float64

func (v Vec) Norm() float64 { return math.Sqrt(Dot(v, v)) }

type Shape struct { Name string; Sides int }

func (s *Shape) Grow() { s.Sides++ }
func (s Shape) String() string { return fmt.Sprintf("%s/%d", s.Name, s.Sides) }

const Limit = 7

var Counter = 5

func Dot(a, b []float64) (sum float64) {
	for i := range a { sum += a[i] * b[i] }
	return sum
}

func Make(name string) *Shape { Counter++; return &Shape{name, bits.Len(8)} }

func Twice[T any](x T) []T { return []T{x, x} }`)
	for _, c := range []struct{ code, want string }{
		{`Dot([]float64{1, 2}, []float64{3, 4})`, "11"},
		{`Vec{3, 4}.Norm()`, "5"},
		{`s := Make("tri"); s.Grow(); fmt.Sprint(s)`, "tri/5"},
		{`fmt.Sprint(Shape{"x", 1})`, "x/1"},
		{`Counter`, "6"},
		{`Limit * 2`, "14"},
		{`len(Twice("a"))`, "2"},
		{"Counter = 100\nMake(\"y\")\nCounter", "101"},
		{"%%native\ns.Grow()\nfmt.Sprint(s, Dot(Vec{1}, Vec{2}), Counter, Limit, len(Twice(1)))", "tri/6 2 101 7 2"},
		{`s.Sides`, "6"},
	} {
		if got := k.Run(c.code).Plain(); strings.Trim(got, `"`) != c.want {
			t.Errorf("%s\n= %s, want %s", c.code, got, c.want)
		}
	}
}

// TestNativeErrors gives compile errors, panics and misuse with their places.
func TestNativeErrors(t *testing.T) {
	needCompiler(t)
	k := hosttest.New(t)
	e := k.Fail("%%native\nx := 1\n\nundefinedName(x)", "undefined: undefinedName")
	if e.Name != "CompileError" || !strings.HasPrefix(e.Traceback[0], "cell[1]:4:1: ") {
		t.Errorf("compile error %q %q", e.Name, e.Traceback)
	}
	k.Run("a := []int{1}")
	e = k.Fail("%%native\ni := 3\n\n  a[i] = a[0]", "index out of range [3] with length 1")
	if !strings.Contains(strings.Join(e.Traceback, "\n"), "cell[3]:4") {
		t.Errorf("panic is placed at %q", e.Traceback)
	}
	k.Fail("%%native\nfunc main() {}", "a native cell has no main")
	k.Fail("%%native\nif {", "cell[5]:2")
	k.Run("type q struct{ n int }\nvar old q")
	k.Run("type q struct{ n, m int }\nvar fresh q")
	k.Fail("%%native\nold.n = fresh.n", "two types named q")
	if got := k.Run("len(a)").Plain(); got != "1" {
		t.Errorf("after failed cells a has %s elements", got)
	}
}

// TestNativeInterrupt stops a compilation, here one whose compiler does not come to an end.
func TestNativeInterrupt(t *testing.T) {
	needCompiler(t)
	k := hosttest.New(t)
	dir := t.TempDir()
	begun, compiler := filepath.Join(dir, "begun"), filepath.Join(dir, "compiler")
	script := "#!/bin/sh\ncase \"$*\" in *-V=full*) exec \"$@\";; esac\ntouch " + begun + "\nexec sleep 3600\n"
	if err := os.WriteFile(compiler, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-toolexec="+compiler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan *hosttest.Result)
	go func() { done <- k.TryContext(ctx, "%%native\nfunc Endless() int { return 1 }") }()
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(begun); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the compiler was not called")
		}
	}
	cancel()
	if r := <-done; r.Err == nil || r.Err.Name != "Interrupt" {
		t.Errorf("interrupted compilation gave %v", r.Err)
	}
}
