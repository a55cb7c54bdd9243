package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

func someState(step int) State {
	x := tensor.New(dtype.F32, 3, 1000)
	for i := range x.F32() {
		x.F32()[i] = float32(i * step)
	}
	n := tensor.FromI32([]int32{int32(step)}, 1)
	return State{Step: step, Document: []byte(fmt.Sprintf(`{"lr":%d,"text":"你"}`, step)), Tensors: []Named{{"adam.m/w", x}, {"rng", n}, {"empty", tensor.New(dtype.F32, 0, 4)}}}
}

func checkState(t *testing.T, path string, step int) {
	t.Helper()
	s, err := LoadState(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := someState(step)
	if s.Step != step || !bytes.Equal(s.Document, want.Document) || len(s.Tensors) != len(want.Tensors) {
		t.Fatalf("step %d, document %s, %d tensors: want those of step %d", s.Step, s.Document, len(s.Tensors), step)
	}
	for i, x := range want.Tensors {
		got, err := s.Tensor(x.Name)
		if err != nil || !got.SameShape(x.Tensor) || !bytes.Equal(got.Bytes(), x.Tensor.Bytes()) || s.Tensors[i].Name != x.Name {
			t.Errorf("tensor %q: %v, want %v (%v)", x.Name, got, x.Tensor, err)
		}
	}
}

func steps(t *testing.T, dir string) (list []int) {
	t.Helper()
	files, err := States(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		list = append(list, f.Step)
	}
	return list
}

func TestStateKeepsLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := LoadState(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	for _, step := range []int{5, 10, 15, 20} {
		if err := SaveState(dir, someState(step), 2); err != nil {
			t.Fatal(err)
		}
	}
	if got := steps(t, dir); !slices.Equal(got, []int{15, 20}) {
		t.Errorf("steps %v, want the newest two", got)
	}
	checkState(t, dir, 20)
	checkState(t, StatePath(dir, 15), 15)
	held, err := LoadState(StatePath(dir, 15))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := SaveState(dir, someState(16), 2); err != nil { // rolled back to 15 and went on
		t.Fatal(err)
	}
	if got := steps(t, dir); !slices.Equal(got, []int{15, 16, 20}) {
		t.Errorf("steps %v, want 15, 16, 20", got)
	}
	for step := 21; step < 25; step++ { // 15 is dropped, and others are written over what was dropped
		if err := SaveState(dir, someState(step), 2); err != nil {
			t.Fatal(err)
		}
		checkState(t, dir, step)
	}
	if x, err := held.Tensor("adam.m/w"); err != nil || !bytes.Equal(x.Bytes(), someState(15).Tensors[0].Tensor.Bytes()) {
		t.Errorf("the state that is loaded changed when its file was dropped (%v)", err)
	}
	if hidden, _ := filepath.Glob(dir + "/.*"); len(hidden) > 1 {
		t.Errorf("hidden files %v: want at most the spare", hidden)
	}
}

// TestStateDamage flips every byte of a file: none goes unnoticed.
func TestStateDamage(t *testing.T) {
	dir := t.TempDir()
	s := State{Step: 3, Document: []byte(`{"a":1}`), Tensors: []Named{{"w", tensor.FromF32([]float32{1, 2}, 2)}, {"v", tensor.FromF32([]float32{3}, 1)}}}
	if err := SaveState(dir, s, 0); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(StatePath(dir, 3))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bad.safetensors")
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := LoadState(path)
		if err == nil && good[i] != ' ' { // padding of the header
			t.Fatalf("byte %d (%q) is flipped and the state is read", i, good[i])
		}
		got.Close()
	}
	if err := os.WriteFile(path, good[:len(good)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadState(path); err == nil {
		t.Error("a truncated file is read")
	}
}

func TestSaver(t *testing.T) {
	dir := t.TempDir()
	saver := NewSaver(dir, 0)
	state := someState(1)
	if err := saver.Save(state); err != nil {
		t.Fatal(err)
	}
	clear(state.Tensors[0].Tensor.F32()) // training goes on
	if err := saver.Save(someState(2)); err != nil {
		t.Fatal(err)
	}
	if err := saver.Wait(); err != nil {
		t.Fatal(err)
	}
	checkState(t, StatePath(dir, 1), 1)
	checkState(t, dir, 2)
	strided := State{Step: 3, Tensors: []Named{{"w", state.Tensors[0].Tensor.T()}}}
	if err := errors.Join(saver.Save(strided), saver.Wait()); err == nil {
		t.Error("a transposed tensor is saved")
	}
}

// TestKilledWhileSaving kills a process that saves without end: what is there afterwards is whole.
func TestKilledWhileSaving(t *testing.T) {
	if dir := os.Getenv("QUIRE_TEST_SAVE"); dir != "" {
		for step := 1; ; step++ {
			if err := SaveState(dir, someState(step), 2); err != nil {
				t.Fatal(err)
			}
		}
	}
	for round := range 4 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhileSaving$")
		cmd.Env = append(os.Environ(), "QUIRE_TEST_SAVE="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); len(steps(t, dir)) == 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(7*round+3) * time.Millisecond) // another moment of another save in each round
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		list := steps(t, dir)
		if len(list) == 0 || len(list) > 3 { // two that are kept, and one that is written before another is dropped
			t.Fatalf("states %v", list)
		}
		for _, step := range list {
			checkState(t, StatePath(dir, step), step)
		}
	}
}

// BenchmarkState saves and loads a state of 1 GB in a folder of the page cache (TMPDIR says where). pause_ms is what training waits for; all figures are
// medians.
func BenchmarkState(b *testing.B) {
	const size, parts = 1 << 30, 64
	var s State
	for i := range parts {
		x := tensor.New(dtype.F32, size/parts/4)
		for j := range x.F32() {
			x.F32()[j] = float32(j ^ i)
		}
		s.Tensors = append(s.Tensors, Named{fmt.Sprint("w", i), x})
	}
	dir := b.TempDir()
	saver := NewSaver(dir, 1)
	saver.Reserve(size)
	var pause, save, load, both []float64
	for b.Loop() {
		s.Step++
		start := time.Now()
		if err := saver.Save(s); err != nil {
			b.Fatal(err)
		}
		pause = append(pause, time.Since(start).Seconds())
		if err := saver.Wait(); err != nil {
			b.Fatal(err)
		}
		save = append(save, time.Since(start).Seconds())
		start = time.Now()
		got, err := LoadState(dir)
		if err != nil {
			b.Fatal(err)
		}
		for i, t := range got.Tensors {
			copy(s.Tensors[i].Tensor.Bytes(), t.Tensor.Bytes())
		}
		got.Close()
		load = append(load, time.Since(start).Seconds())
		both = append(both, save[len(save)-1]+load[len(load)-1])
	}
	median := func(x []float64) float64 { return slices.Sorted(slices.Values(x))[len(x)/2] }
	b.ReportMetric(1000*median(pause), "pause_ms")
	b.ReportMetric(size/1e9/median(save), "save_GB/s")
	b.ReportMetric(size/1e9/median(load), "load_GB/s")
	b.ReportMetric(size/1e9/median(both), "both_GB/s")
}

// BenchmarkOpen opens a safetensors file of 1,000 tensors and 64 MB, and finds one.
func BenchmarkOpen(b *testing.B) {
	var list []Named
	for i := range 1000 {
		list = append(list, Named{fmt.Sprintf("model.layers.%d.weight", i), tensor.New(dtype.BF16, 32, 1024)})
	}
	path := filepath.Join(b.TempDir(), "x.safetensors")
	if err := WriteSafetensors(path, nil, list); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := OpenSafetensors(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Tensor("model.layers.500.weight"); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
