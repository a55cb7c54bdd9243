package token

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

func column(texts []string, nulls ...int) *array.String {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for i, s := range texts {
		if slices.Contains(nulls, i) {
			b.AppendNull()
		} else {
			b.Append(s)
		}
	}
	return b.NewStringArray()
}

func TestEncodeColumn(t *testing.T) {
	var texts []string
	for i := range 1000 {
		texts = append(texts, "the quick brown fox "+string(rune('a'+i%26))+" 你好"[:i%7])
	}
	tok := tinyModels(t)["bpe"]
	col := column(texts, 3, 999)
	defer col.Release()
	got, err := tok.EncodeColumn(t.Context(), col, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	if got.Len() != 1000 || got.NullN() != 2 || !got.IsNull(3) || got.DataType().String() != "list<item: uint16, nullable>" {
		t.Fatalf("%d rows, %d null, %s", got.Len(), got.NullN(), got.DataType())
	}
	values := got.ListValues().(*array.Uint16).Uint16Values()
	for i, s := range texts {
		from, to := got.ValueOffsets(i)
		if got.IsNull(i) {
			continue
		}
		want, _ := tok.Encode(s, Options{})
		if len(want) != int(to-from) {
			t.Fatalf("row %d has %d ids, want %d", i, to-from, len(want))
		}
		for k, id := range want {
			if uint32(values[int(from)+k]) != id {
				t.Fatalf("row %d, id %d: %d, want %d", i, k, values[int(from)+k], id)
			}
		}
	}
}

func TestEncodeColumnWide(t *testing.T) {
	tok := load(t, "tokenizers/internlm/tokenizer_internlm2.model")
	col := column([]string{"Hello, InternLM2!", ""})
	defer col.Release()
	got, err := tok.EncodeColumn(t.Context(), col, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	if ids := got.ListValues().(*array.Uint32).Uint32Values(); !slices.Equal(ids, []uint32{9843, 328, 4576, 11146, 314, 346}) {
		t.Errorf("ids %v", ids)
	}
	if !arrow.TypeEqual(got.DataType(), arrow.ListOf(arrow.PrimitiveTypes.Uint32)) {
		t.Errorf("type %s", got.DataType())
	}
}

func TestEncodeColumnFails(t *testing.T) {
	tok := tinyModels(t)["bpe"]
	col := column([]string{"ok", "a <|x|>"})
	defer col.Release()
	if _, err := tok.EncodeColumn(t.Context(), col, Options{Special: Forbid}); err == nil {
		t.Error("a forbidden token gave no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tok.EncodeColumn(ctx, col, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestAllocations: nothing a token, at most two a document.
func TestAllocations(t *testing.T) {
	docs := english(t)
	for _, m := range benchModels {
		tok := load(t, m.path)
		for _, d := range docs {
			tok.Count(d, Options{})
		}
		n := math.Inf(1)
		for range 100 { // what the runtime allocates meanwhile, or a collection takes from the pools, is not the encoder's
			n = min(n, testing.AllocsPerRun(1, func() {
				if _, err := tok.Encode(docs[0], Options{}); err != nil {
					t.Fatal(err)
				}
			}))
			if n <= 2 {
				break
			}
		}
		if n > 2 {
			t.Errorf("%s: %g allocations for a document of %d bytes", m.name, n, len(docs[0]))
		}
	}
}

func TestGoroutinesShare(t *testing.T) {
	tok := tinyModels(t)["bytes"]
	want, _ := tok.Encode("the quick brown fox jumps", Options{})
	done := make(chan bool)
	for range 8 {
		go func() {
			same := true
			for range 200 {
				got, err := tok.Encode("the quick brown fox jumps", Options{})
				same = same && err == nil && slices.Equal(got, want)
			}
			done <- same
		}()
	}
	for range 8 {
		if !<-done {
			t.Error("ids differ between goroutines")
		}
	}
}

func BenchmarkColumn(b *testing.B) {
	tok := load(b, "tokenizers/internlm/tokenizer_internlm2.model")
	docs := append(english(b), chinese(b)...)
	docs = slices.Concat(docs, docs, docs)
	col := column(docs)
	defer col.Release()
	for _, threads := range []int{1, 2} {
		b.Run("threads="+string(rune('0'+threads)), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
			b.SetBytes(totalBytes(docs))
			for b.Loop() {
				out, err := tok.EncodeColumn(b.Context(), col, Options{})
				if err != nil {
					b.Fatal(err)
				}
				out.Release()
			}
		})
	}
}
