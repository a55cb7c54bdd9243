package train

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"

	"quire/lib/train/event"
)

// Event is something that happened to a run besides its steps: a change from outside, a checkpoint, an evaluation.
type Event struct {
	Event      string             `json:"event"`
	Step       int                `json:"step"`
	LR         float64            `json:"lr,omitempty"`
	Rows       int                `json:"rows,omitempty"`
	Mix        map[string]float64 `json:"mix,omitempty"`
	To         int                `json:"to,omitempty"` // of a rollback
	Note       string             `json:"note,omitempty"`
	Evaluation *Evaluation        `json:"evaluation,omitempty"`
}

// output is the files of a run that grow: metrics.jsonl and TensorBoard's.
type output struct {
	f      *os.File
	size   int64
	events *event.Writer
}

const metricsFile = "metrics.jsonl"

// openOutput opens a run's metrics and cuts them off at size, where the checkpoint that is continued knew them.
func openOutput(dir string, size int64) (*output, error) {
	f, err := os.OpenFile(filepath.Join(dir, metricsFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, fmt.Errorf("train: %w", err)
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		f.Close()
		return nil, fmt.Errorf("train: %w", err)
	}
	events, err := event.Create(dir)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &output{f: f, size: size, events: events}, nil
}

// line appends a value to the metrics.
func (o *output) line(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("train: %s: %w", metricsFile, err)
	}
	n, err := o.f.Write(append(data, '\n'))
	o.size += int64(n)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// record appends a step to all files. JSON has no NaN and no infinity: they become its largest numbers.
func (o *output) record(r Record) error {
	r.Loss, r.GradNorm, r.Perplexity = sayable(r.Loss), sayable(r.GradNorm), sayable(r.Perplexity)
	r.BitsPerByte = sayable(r.BitsPerByte)
	r.Sources, r.Languages = sayableParts(r.Sources), sayableParts(r.Languages)
	return errors.Join(o.line(r), o.events.Scalars(r.Step, r.scalars()))
}

// evaluation appends an evaluation to all files.
func (o *output) evaluation(e *Evaluation) error {
	curves := map[string]float64{}
	add := func(name string, p Part) {
		curves["eval/loss/"+name] = p.Loss
		if p.BitsPerByte > 0 {
			curves["eval/bits_per_byte/"+name] = p.BitsPerByte
		}
	}
	add("all", e.All)
	for name, p := range e.Sources {
		add(name, p)
	}
	for name, p := range e.Probes {
		curves["eval/accuracy/"+name] = p.Accuracy
	}
	errs := []error{o.line(Event{Event: "evaluation", Step: e.Step, Evaluation: e}), o.events.Scalars(e.Step, curves)}
	for i, text := range e.Samples {
		errs = append(errs, o.events.Text(e.Step, fmt.Sprintf("samples/%d", i), "```\n"+text+"\n```"))
	}
	return errors.Join(errs...)
}

// sayableParts is a copy: others read the record already.
func sayableParts(parts map[string]Part) map[string]Part {
	parts = maps.Clone(parts)
	for name, p := range parts {
		p.Loss, p.BitsPerByte = sayable(p.Loss), sayable(p.BitsPerByte)
		parts[name] = p
	}
	return parts
}

func sayable(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return math.MaxFloat64
	}
	return x
}

func (o *output) Close() error { return errors.Join(o.f.Close(), o.events.Close()) }

// readMetrics reads the steps and events of a run's metrics, up to limit bytes; −1 for all. size is the length of the whole lines that it read: a power
// failure may have cut the last one off, or more.
func readMetrics(dir string, limit int64) (records []Record, events []Event, size int64, err error) {
	f, err := os.Open(filepath.Join(dir, metricsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, 0, nil
	}
	if err != nil {
		return nil, nil, 0, fmt.Errorf("train: %w", err)
	}
	defer f.Close()
	var in io.Reader = f
	if limit >= 0 {
		in = io.LimitReader(f, limit)
	}
	r := bufio.NewReaderSize(in, 1<<16)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return records, events, size, nil
			}
			return nil, nil, 0, fmt.Errorf("train: %w", err)
		}
		size += int64(len(line))
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, nil, 0, fmt.Errorf("train: %s: line %d: %w", f.Name(), n, err)
		}
		if e.Event != "" {
			events = append(events, e)
			continue
		}
		var rec Record
		if err := json.Unmarshal(line, &rec); err != nil {
			return nil, nil, 0, fmt.Errorf("train: %s: line %d: %w", f.Name(), n, err)
		}
		records = append(records, rec)
	}
}

// ReadMetrics reads the steps and events of the run in a directory, whether it is training now or not.
func ReadMetrics(dir string) ([]Record, []Event, error) {
	records, events, _, err := readMetrics(dir, -1)
	return records, events, err
}
