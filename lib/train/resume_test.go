package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"quire/simd"
)

// losses are the losses of a run by step, as bits: what must be equal.
func losses(records []Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, fmt.Sprintf("%d %x %x %x", r.Step, r.Loss, r.GradNorm, r.LR))
	}
	return out
}

func sameCurve(t *testing.T, what string, got, want []Record) {
	t.Helper()
	a, b := losses(got), losses(want)
	if len(a) != len(b) {
		t.Fatalf("%s: %d records, want %d", what, len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("%s: record %d is %s (loss %v), uninterrupted it is %s (loss %v)", what, i, a[i], got[i].Loss, b[i], want[i].Loss)
		}
	}
}

// copyRun is the configuration of c in another directory.
func copyRun(t *testing.T, c Config) Config {
	c.Dir = filepath.Join(t.TempDir(), "run")
	return c
}

// A run that is stopped and started again has the bits of one that was not, with the settings that a run can have, and
// with another number of threads behind the stop.
func TestResumedIsUninterrupted(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"adamw bf16":   func(*Config) {},
		"muon f32":     func(c *Config) { c.Optimizer.Method, c.Compute, c.Packing = "muon", "f32", "concat" },
		"accumulation": func(c *Config) { c.MicroRows, c.Ramp, c.ZLoss, c.Recompute = 3, Ramp{2, 1, 2}, 1e-4, "full" },
		"tied, smooth": func(c *Config) { c.Model.TieWordEmbeddings, c.LabelSmoothing, c.Packing = true, 0.1, "best-fit-crop" },
	} {
		t.Run(name, func(t *testing.T) {
			c := tiny(t, 12)
			change(&c)
			whole := must(t, c).History()
			cut := copyRun(t, c)
			r := standing(t, cut, 5)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if n := len(r.History()); n != 5 {
				t.Fatalf("stopped behind step %d, want 5", n)
			}
			cut.Threads = simd.Default().Info().Threads + 1
			sameCurve(t, "resumed with another thread", must(t, cut).History(), whole)
		})
	}
}

// TestMain runs a training process when the environment asks for one: the child of TestKilled.
func TestMain(m *testing.M) {
	path := os.Getenv("QUIRE_TRAIN_CHILD")
	if path == "" {
		os.Exit(m.Run())
	}
	if err := trainChild(path, os.Getenv("QUIRE_TRAIN_KILL")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	os.Exit(0)
}

// trainChild runs a configuration and kills its own process as kill says: so many steps later, and so much of a step more. Until it is dead, however
// late that is, it takes no more than 4 steps; only in the last of all it may come to its end before.
func trainChild(config, kill string) error {
	var steps int
	var fraction float64
	if _, err := fmt.Sscan(kill, &steps, &fraction); err != nil {
		return err
	}
	c, err := ReadConfig(config)
	if err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	r, err := openPaused(c)
	if err != nil {
		return err
	}
	if at := r.Last().Step + steps; at < c.Steps {
		if err := advanceTo(r, at); err != nil {
			return err
		}
		time.AfterFunc(time.Duration(fraction*r.Last().Seconds*float64(time.Second)), func() { self.Kill() })
		if err := advanceTo(r, min(at+4, c.Steps-1)); err != nil {
			return err
		}
		if at+4 < c.Steps {
			select {}
		}
	}
	return errors.Join(r.Resume(), r.Wait(context.Background()))
}

// A process that is killed at random moments and started again each time draws the curve of one that was left alone.
func TestKilled(t *testing.T) {
	c := tiny(t, 40)
	c.SaveEvery, c.EvalEvery = 3, 7
	whole := must(t, c)
	killed := copyRun(t, c)
	data, err := json.Marshal(killed)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(config, data, 0o644); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(20261123, 0))
	kills := 0
	for ; !runChild(t, config, 1+rng.IntN(12), 3*rng.Float64()); kills++ {
		if kills > 60 {
			t.Fatal("60 kills and no end: a killed run makes no progress")
		}
	}
	t.Logf("killed %d times", kills)
	if kills == 0 {
		t.Error("the child was never killed")
	}
	records, events, err := ReadMetrics(killed.Dir)
	if err != nil {
		t.Fatal(err)
	}
	sameCurve(t, "killed", records, whole.History())
	evals := 0
	for _, e := range events {
		if e.Evaluation != nil {
			if want := whole.Evaluations()[evals]; e.Evaluation.Step != want.Step || e.Evaluation.All != want.All {
				t.Errorf("evaluation of step %d: %+v, want %+v", e.Step, e.Evaluation.All, want.All)
			}
			evals++
		}
	}
	if evals != len(whole.Evaluations()) {
		t.Errorf("%d evaluations, want %d", evals, len(whole.Evaluations()))
	}
}

// runChild starts a training process that kills itself some steps later; finished is true when it came to its end before.
func runChild(t *testing.T, config string, steps int, fraction float64) (finished bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "QUIRE_TRAIN_CHILD="+config, fmt.Sprint("QUIRE_TRAIN_KILL=", steps, " ", fraction))
	cmd.Stderr = os.Stderr
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() > 1 {
		t.Fatalf("the child was not killed and failed: %v", err)
	}
	return err == nil
}

// Metrics that lost their end, as a power failure does, cost the lines that are gone and not the run.
func TestCutMetrics(t *testing.T) {
	c := tiny(t, 6)
	must(t, c).Close()
	path := filepath.Join(c.Dir, metricsFile)
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-10)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Steps = 8
	must(t, c)
	records, _, err := ReadMetrics(c.Dir)
	if err != nil || len(records) != 7 || records[6].Step != 8 || records[5].Step != 7 {
		t.Errorf("%d records, %v", len(records), err)
	}
}
