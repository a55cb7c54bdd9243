package show

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func lastPlain(r *recorder) string {
	log := r.shown()
	if len(log) == 0 {
		return ""
	}
	return log[len(log)-1].bundle["text/plain"].(string)
}

func TestProgress(t *testing.T) {
	r := record(t)
	n := 0
	for x := range Progress(slices.Values([]int{1, 2, 3}), 3, "count") {
		n += x
		time.Sleep(150 * time.Millisecond)
	}
	if n != 6 {
		t.Errorf("the loop saw a sum of %d, want 6", n)
	}
	log := r.shown()
	if len(log) < 2 || log[0].op != "display" || log[1].op != "update" || log[1].id != log[0].id {
		t.Fatalf("outputs %v, want one that is updated", log)
	}
	if text := lastPlain(r); !strings.Contains(text, "100 %  3/3") || strings.Contains(text, "stopped") {
		t.Errorf("at the end the bar says %q", text)
	}
}

func TestProgressStops(t *testing.T) {
	r := record(t)
	for range Progress(slices.Values([]int{1, 2, 3, 4}), 4, "broken") {
		if len(r.shown()) == 0 {
			time.Sleep(300 * time.Millisecond)
			continue
		}
		break
	}
	if text := lastPlain(r); !strings.Contains(text, "1/4") || !strings.Contains(text, "stopped") {
		t.Errorf("after break: %q", text)
	}
	func() {
		defer func() { recover() }()
		for range Progress(slices.Values([]int{1, 2}), 2, "panics") {
			panic("x")
		}
	}()
	if text := lastPlain(r); !strings.Contains(text, "panics") || !strings.Contains(text, "stopped") {
		t.Errorf("after a panic: %q", text)
	}
	p := NewProgress(10, "interrupted").Unit("tok")
	p.Add(4)
	Interrupted(t.Name())
	if text := lastPlain(r); !strings.Contains(text, "4/10 tok") || !strings.Contains(text, "stopped") {
		t.Errorf("after an interrupt: %q", text)
	}
	p = NewProgress(10, "fails")
	p.Fail(errors.New("disk full"))
	p.Done()
	if text := lastPlain(r); !strings.Contains(text, "failed") || !strings.Contains(text, "disk full") {
		t.Errorf("after a failure: %q", text)
	}
}

func TestProgressNested(t *testing.T) {
	r := record(t)
	p := NewProgress(2, "epochs")
	for i := range 20 {
		s := p.Sub(5, "batch "+string(rune('a'+i)))
		s.Set(5)
		s.Note("loss %.1f", 0.5)
		s.Done()
	}
	p.Set(2)
	p.Done()
	text := lastPlain(r)
	if lines := strings.Count(text, "\n"); lines != 8 || !strings.Contains(text, "\n  batch t") || !strings.Contains(text, "loss 0.5") {
		t.Errorf("nested bars:\n%s", text)
	}
}

func TestProgressIsSilentInPipes(t *testing.T) {
	rd, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	previous := Install(NewTerminal(w))
	for range Progress(slices.Values([]int{1, 2}), 2, "quiet") {
		time.Sleep(150 * time.Millisecond)
	}
	Install(previous)
	w.Close()
	var buf [64]byte
	if n, _ := rd.Read(buf[:]); n > 0 {
		t.Errorf("a pipe got %q", buf[:n])
	}
}

// BenchmarkProgress has the bar: at most 50 ns an item.
func BenchmarkProgress(b *testing.B) {
	record(b)
	seq := func(yield func(int) bool) {
		for i := 0; b.Loop(); i++ {
			if !yield(i) {
				return
			}
		}
	}
	sum := 0
	for x := range Progress(seq, 0, "bench") {
		sum += x
	}
}
