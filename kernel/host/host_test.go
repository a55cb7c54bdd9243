package host

import (
	"go/constant"
	"math"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
)

// TestFresh fails when the generated files are not what the generator makes now.
func TestFresh(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the generator")
	}
	cmd := exec.Command("go", "run", "./kernel/host/_gen", "-check")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestLookup makes every package and checks that each table entry arrived as what it is.
func TestLookup(t *testing.T) {
	for path, name := range Paths() {
		p, ok := Lookup(path)
		if !ok || p.Path != path || p.Name != name {
			t.Fatalf("%s: got %v %v", path, p, ok)
		}
		got := len(p.Funcs) + len(p.Vars) + len(p.NamedTypes) + len(p.AliasTypes) + len(p.Interfaces) + len(p.TypedConsts) + len(p.UntypedConsts)
		if want := len(index()[path].symbols); got != want {
			t.Errorf("%s: %d symbols arrived of %d", path, got, want)
		}
		for name, f := range p.Funcs {
			if f.IsNil() {
				t.Errorf("%s.%s is nil", path, name)
			}
		}
		for name, v := range p.Vars {
			if v.Kind() != reflect.Pointer || v.IsNil() {
				t.Errorf("%s.%s is no address", path, name)
			}
		}
	}
}

// TestConstants compares constants that need every path of the encoding.
func TestConstants(t *testing.T) {
	p, _ := Lookup("math")
	if got, _ := constant.Float64Val(p.UntypedConsts["Pi"].Value); got != math.Pi {
		t.Errorf("math.Pi = %v", got)
	}
	if got, _ := constant.Float64Val(p.UntypedConsts["SmallestNonzeroFloat64"].Value); got != math.SmallestNonzeroFloat64 {
		t.Errorf("smallest = %v", got)
	}
	if got, _ := constant.Uint64Val(p.UntypedConsts["MaxUint64"].Value); got != math.MaxUint64 {
		t.Errorf("MaxUint64 = %v", got)
	}
	if got, _ := constant.Int64Val(p.UntypedConsts["MinInt64"].Value); got != math.MinInt64 {
		t.Errorf("MinInt64 = %v", got)
	}
	p, _ = Lookup("time")
	if c := p.TypedConsts["Second"]; c.Typ.String() != "time.Duration" || c.Value.String() != "1000000000" {
		t.Errorf("time.Second = %v", c)
	}
}

// BenchmarkLookup is the cost of making packages ready: one that every cell uses, one large, all.
func BenchmarkLookup(b *testing.B) {
	for _, path := range []string{"fmt", "net/http", "github.com/go-echarts/go-echarts/v2/opts"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				Lookup(path)
			}
		})
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			for path := range Paths() {
				Lookup(path)
			}
		}
	})
}

// TestSource finds the source of every registered package on a machine that has built it.
func TestSource(t *testing.T) {
	for path := range Paths() {
		dir := Source(path)
		files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
		if dir == "" || len(files) == 0 {
			t.Errorf("%s: no source in %q", path, dir)
		}
	}
}
