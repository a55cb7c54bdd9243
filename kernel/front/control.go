package front

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"quire/kernel/kernelspec"
	"quire/kernel/link"
	"quire/kernel/wire"
)

// interrupts remembers the last interrupt.
type interrupts struct {
	mu    sync.Mutex
	last  time.Time
	cells []string // that ran then
}

const (
	// doublePress is the time in which a second interrupt is the same one: what can stop has stopped after it.
	doublePress = 50 * time.Millisecond
	// graceTime is the time in which a second interrupt of the same cell ends the session process.
	graceTime = 10 * time.Second
)

// onControl takes a message of the control socket.
func (k *Kernel) onControl(r request) {
	switch r.Header.Type {
	case "kernel_info_request":
		k.answer(r, "kernel_info_reply", k.kernelInfo)
	case "interrupt_request":
		k.answer(r, "interrupt_reply", func() any { k.Interrupt(); return map[string]string{"status": "ok"} })
	case "shutdown_request":
		var req struct {
			Restart bool `json:"restart"`
		}
		_ = content(r, &req) // shutdown is obeyed whatever else it says
		reply := map[string]any{"status": "ok", "restart": req.Restart}
		k.answer(r, "shutdown_reply", func() any {
			k.iopub.publish("shutdown_reply", r.RawHeader, reply)
			return reply
		})
		k.shutdown()
	case "create_subshell_request":
		k.answer(r, "create_subshell_reply", func() any { return k.createSubshell() })
	case "delete_subshell_request":
		k.answer(r, "delete_subshell_reply", func() any { return k.deleteSubshell(r) })
	case "list_subshell_request":
		k.answer(r, "list_subshell_reply", func() any { return k.listSubshells() })
	default:
		k.log.Warn("front: message of unknown type dropped", "type", r.Header.Type)
	}
}

// Interrupt stops the running cells. A second one within the grace time, when the same cell still runs, ends the session process.
func (k *Kernel) Interrupt() {
	var cells []string
	k.mu.Lock()
	for _, q := range k.subshells {
		if r := q.current(); r != nil {
			cells = append(cells, r.Header.ID)
		}
	}
	k.mu.Unlock()
	remote := k.engine.current()
	if len(cells) == 0 || remote == nil {
		return
	}
	k.interrupted.mu.Lock()
	defer k.interrupted.mu.Unlock()
	since := time.Since(k.interrupted.last)
	again := slices.ContainsFunc(cells, func(cell string) bool { return slices.Contains(k.interrupted.cells, cell) })
	if again && since < doublePress {
		return
	}
	if again && since < graceTime {
		remote.Kill()
		return
	}
	k.interrupted.last, k.interrupted.cells = time.Now(), cells
	for _, cell := range cells {
		remote.Send(link.KindInterrupt, cell, nil)
	}
}

func (k *Kernel) createSubshell() any {
	const most = 64
	k.mu.Lock()
	n := len(k.subshells)
	k.mu.Unlock()
	if n > most {
		return failure("TooManySubshells", fmt.Errorf("%d subshells are open: delete one", most))
	}
	id := wire.NewID()
	k.newQueue(id)
	return map[string]string{"status": "ok", "subshell_id": id}
}

func (k *Kernel) deleteSubshell(r request) any {
	var req struct {
		ID string `json:"subshell_id"`
	}
	if err := content(r, &req); err != nil {
		return failure("BadRequest", err)
	}
	k.mu.Lock()
	q := k.subshells[req.ID]
	if req.ID != "" {
		delete(k.subshells, req.ID)
	}
	k.mu.Unlock()
	if q == nil || req.ID == "" {
		return failure("NoSubshell", errors.New("no subshell "+req.ID))
	}
	for _, waiting := range q.close() {
		k.abort(waiting)
	}
	return map[string]string{"status": "ok"}
}

func (k *Kernel) listSubshells() any {
	k.mu.Lock()
	defer k.mu.Unlock()
	ids := []string{}
	for id := range k.subshells {
		if id != "" {
			ids = append(ids, id)
		}
	}
	return map[string]any{"status": "ok", "subshell_id": ids}
}

// kernelInfo is the content of kernel_info_reply.
func (k *Kernel) kernelInfo() any {
	language := kernelspec.LanguageInfo()
	return map[string]any{
		"status": "ok", "protocol_version": wire.ProtocolVersion,
		"implementation": "quire", "implementation_version": k.cfg.Version,
		"language_info": language,
		"banner":        fmt.Sprintf("Quire %s, Go %v: live Go cells. %%help lists the magics.", k.cfg.Version, language["version"]),
		"debugger":      false, "supported_features": []string{"kernel subshells"},
		"help_links": []map[string]string{
			{"text": "The Go language", "url": "https://go.dev/ref/spec"},
			{"text": "Go packages", "url": "https://pkg.go.dev/std"},
		},
	}
}
