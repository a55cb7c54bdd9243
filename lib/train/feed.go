package train

import (
	"errors"
	"io"
	"math/rand/v2"

	"quire/lib/corpus/mix"
)

// feed gives a stream's rows in another order: it draws a window of them ahead and shuffles it, because the rows of a long document follow each other in
// the stream, and a batch of one document teaches little else.
type feed struct {
	stream *mix.Stream
	seed   uint64
	window int
	start  mix.State // of the stream, before the window was drawn
	rows   []mix.Row // of the window, shuffled
	next   int       // row that comes next
}

// feedState is where a feed stands: the window is drawn again from it.
type feedState struct {
	Stream mix.State `json:"stream"`
	Next   int       `json:"next"`
}

func newFeed(s *mix.Stream, seed uint64, window int) *feed {
	return &feed{stream: s, seed: seed, window: max(1, window)}
}

// row returns the next row; io.EOF when the stream has ended.
func (f *feed) row() (mix.Row, error) {
	if f.next == len(f.rows) {
		if err := f.fill(); err != nil {
			return mix.Row{}, err
		}
	}
	f.next++
	return f.rows[f.next-1], nil
}

// fill draws and shuffles the next window.
func (f *feed) fill() error {
	f.start, f.rows, f.next = f.stream.State(), f.rows[:0], 0
	for len(f.rows) < f.window {
		row, err := f.stream.Next()
		if errors.Is(err, io.EOF) && len(f.rows) > 0 {
			break
		}
		if err != nil {
			return err
		}
		f.rows = append(f.rows, row)
	}
	rng := rand.New(rand.NewPCG(f.seed, uint64(f.start.Rows)))
	rng.Shuffle(len(f.rows), func(i, j int) { f.rows[i], f.rows[j] = f.rows[j], f.rows[i] })
	return nil
}

// setWeights changes the mixture from the next row on: what was drawn ahead by the old one is dropped.
func (f *feed) setWeights(weights map[string]float64) error {
	if err := f.stream.SetWeights(weights); err != nil {
		return err
	}
	f.rows, f.next = f.rows[:0], 0
	return nil
}

// state returns where the feed stands.
func (f *feed) state() feedState {
	if f.next == len(f.rows) {
		return feedState{Stream: f.stream.State()}
	}
	return feedState{f.start, f.next}
}

// restore continues where state was taken. After an error the feed is as before.
func (f *feed) restore(st feedState) error {
	if err := f.stream.Restore(st.Stream); err != nil {
		return err
	}
	f.rows, f.next = f.rows[:0], 0
	if st.Next == 0 {
		return nil
	}
	if err := f.fill(); err != nil {
		return err
	}
	if st.Next < 0 || st.Next > len(f.rows) {
		return errors.New("train: broken state: a row outside of its window")
	}
	f.next = st.Next
	return nil
}
