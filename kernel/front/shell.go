package front

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quire/kernel/comm"
	"quire/kernel/history"
	"quire/kernel/link"
)

// askTimeout is how long the session process may take to complete or inspect.
const askTimeout = 5 * time.Second

// onShell takes a message of the shell socket. It never waits.
func (k *Kernel) onShell(r request) {
	switch r.Header.Type {
	case "execute_request":
		k.mu.Lock()
		q := k.subshells[r.Header.Subshell]
		k.mu.Unlock()
		if q == nil {
			k.answer(r, "execute_reply", func() any { return failure("NoSubshell", fmt.Errorf("no subshell %q", r.Header.Subshell)) })
		} else if !q.add(r) {
			k.abort(r)
		}
	case "kernel_info_request":
		go k.answer(r, "kernel_info_reply", k.kernelInfo)
	case "complete_request":
		go k.answer(r, "complete_reply", func() any { return k.complete(r) })
	case "inspect_request":
		go k.answer(r, "inspect_reply", func() any { return k.inspect(r) })
	case "is_complete_request":
		go k.answer(r, "is_complete_reply", func() any { return k.isComplete(r) })
	case "history_request":
		go k.answer(r, "history_reply", func() any { return k.listHistory(r) })
	case "comm_info_request":
		go k.answer(r, "comm_info_reply", func() any { return k.commInfo(r) })
	case "connect_request":
		go k.answer(r, "connect_reply", k.connectInfo)
	case "comm_open", "comm_msg", "comm_close":
		k.fromComm(r)
	case "shutdown_request", "interrupt_request":
		k.onControl(r) // where protocol 5.2 and older send them
	default:
		k.log.Warn("front: message of unknown type dropped", "type", r.Header.Type)
	}
}

// ask puts a question about a cell to the session process.
func (k *Kernel) ask(kind link.Kind, p link.Position, answer any) error {
	remote, err := k.engine.get()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	return remote.Call(ctx, kind, "", p, answer)
}

type positionRequest struct {
	Code   string `json:"code"`
	Cursor *int   `json:"cursor_pos"` // by default the end of Code
	Detail int    `json:"detail_level"`
}

func (k *Kernel) complete(r request) any {
	var req positionRequest
	if err := content(r, &req); err != nil {
		return failure("BadRequest", err)
	}
	p, back := k.offsets.position(r.Header.Session, req)
	answer := link.Completion{Start: p.Cursor, End: p.Cursor}
	if err := k.ask(link.KindComplete, p, &answer); err != nil {
		k.log.Warn("front: complete", "err", err)
	}
	matches, types := []string{}, []map[string]any{}
	for _, m := range answer.Matches {
		matches = append(matches, m.Text)
		types = append(types, map[string]any{"start": back(answer.Start), "end": back(answer.End), "text": m.Text,
			"type": m.Type, "signature": m.Sig, "documentation": m.Doc})
	}
	return map[string]any{"status": "ok", "matches": matches, "cursor_start": back(answer.Start), "cursor_end": back(answer.End),
		"metadata": map[string]any{"_jupyter_types_experimental": types}}
}

func (k *Kernel) inspect(r request) any {
	var req positionRequest
	if err := content(r, &req); err != nil {
		return failure("BadRequest", err)
	}
	p, _ := k.offsets.position(r.Header.Session, req)
	var answer link.Inspection
	if err := k.ask(link.KindInspect, p, &answer); err != nil {
		k.log.Warn("front: inspect", "err", err)
	}
	return map[string]any{"status": "ok", "found": answer.Found, "data": object(answer.Bundle.Data), "metadata": object(answer.Bundle.Metadata)}
}

func (k *Kernel) isComplete(r request) any {
	var req positionRequest
	if err := content(r, &req); err != nil {
		return failure("BadRequest", err)
	}
	answer := link.Completeness{Status: "unknown"}
	if err := k.ask(link.KindIsComplete, link.Position{Code: req.Code}, &answer); err != nil {
		k.log.Warn("front: is_complete", "err", err)
	}
	if answer.Status == "incomplete" {
		return map[string]any{"status": answer.Status, "indent": answer.Indent}
	}
	return map[string]any{"status": answer.Status}
}

func (k *Kernel) listHistory(r request) any {
	var req struct {
		Output  bool   `json:"output"`
		Access  string `json:"hist_access_type"`
		Session int    `json:"session"`
		Start   int    `json:"start"`
		Stop    int    `json:"stop"`
		N       int    `json:"n"`
		Pattern string `json:"pattern"`
		Unique  bool   `json:"unique"`
	}
	err := content(r, &req)
	var entries []history.Entry
	switch {
	case err != nil:
	case req.Access == "range":
		entries, err = k.history.Range(req.Session, req.Start, req.Stop)
	case req.Access == "tail":
		entries, err = k.history.Tail(req.N)
	case req.Access == "search":
		entries, err = k.history.Search(req.Pattern, req.N, req.Unique)
	default:
		err = errors.New("hist_access_type is none of range, tail, search")
	}
	if err != nil {
		return failure("BadRequest", err)
	}
	list := [][3]any{}
	for _, e := range entries {
		var what any = e.Source
		if req.Output {
			what = [2]any{e.Source, e.Output}
		}
		list = append(list, [3]any{e.Session, e.Line, what})
	}
	return map[string]any{"status": "ok", "history": list}
}

func (k *Kernel) commInfo(r request) any {
	var req struct {
		Target string `json:"target_name"`
	}
	if err := content(r, &req); err != nil {
		return failure("BadRequest", err)
	}
	return map[string]any{"status": "ok", "comms": k.comms.List(req.Target)}
}

func (k *Kernel) connectInfo() any {
	c := k.cfg.Connection
	return map[string]any{"status": "ok", "shell_port": c.ShellPort, "iopub_port": c.IOPubPort, "stdin_port": c.StdinPort,
		"hb_port": c.HeartbeatPort, "control_port": c.ControlPort}
}

// fromComm passes a comm message of a front end to the session process. It has no reply.
func (k *Kernel) fromComm(r request) {
	k.iopub.status(r.RawHeader, "busy")
	defer k.iopub.status(r.RawHeader, "idle")
	c, err := comm.FromFront(r.Message)
	if err != nil {
		k.log.Warn("front: message dropped", "err", err)
		return
	}
	k.iopub.addCell(r.Header.ID, r.RawHeader)
	if !k.comms.Note(c) {
		// Also after the session process was replaced: the widget in the page outlives what it showed.
		k.toComm(link.Comm{Op: "close", ID: c.ID}, r.Header.ID)
		return
	}
	if remote, err := k.engine.get(); err == nil {
		remote.Send(link.KindComm, r.Header.ID, c)
	}
}

// toComm publishes a comm message of the session.
func (k *Kernel) toComm(c link.Comm, cell string) {
	k.comms.Note(c)
	msgType, body := comm.ToFront(c)
	k.iopub.publishFull(msgType, k.iopub.header(cell), c.Metadata, body, c.Buffers)
}

// event publishes what the session process reports.
func (k *Kernel) event(m link.Message) {
	if err := k.publishEvent(m); err != nil {
		k.log.Warn("front: event of the session process dropped", "kind", string(m.Kind), "err", err)
	}
}

func (k *Kernel) publishEvent(m link.Message) error {
	parent := k.iopub.header(m.Cell)
	switch m.Kind {
	case link.KindStream:
		s, err := body[link.Stream](m)
		if err == nil {
			k.iopub.stream(parent, s.Name, s.Text)
		}
		return err
	case link.KindDisplay:
		d, err := body[link.Display](m)
		if err != nil {
			return err
		}
		msgType, transient := "display_data", map[string]string{}
		if d.Update {
			msgType = "update_display_data"
		}
		if d.ID != "" {
			transient["display_id"] = d.ID
		}
		k.iopub.publish(msgType, parent, map[string]any{"data": object(d.Data), "metadata": object(d.Metadata), "transient": transient})
	case link.KindClear:
		c, err := body[link.Clear](m)
		if err == nil {
			k.iopub.publish("clear_output", parent, map[string]bool{"wait": c.Wait})
		}
		return err
	case link.KindComm:
		c, err := body[link.Comm](m)
		if err == nil {
			k.toComm(c, m.Cell)
		}
		return err
	case link.KindInput:
		in, err := body[link.Input](m)
		if err == nil {
			k.askInput(m.Cell, in)
		}
		return err
	}
	return nil
}

// output publishes what the session process wrote past the line, under the last cell.
func (k *Kernel) output(name, text string) { k.iopub.stream(k.iopub.header(""), name, text) }

// sessionLost closes the comms of a session process that has ended. When it returns that is published, whoever did it.
func (k *Kernel) sessionLost() {
	k.losing.Lock()
	defer k.losing.Unlock()
	for _, c := range k.comms.Clear() {
		k.toComm(c, "")
	}
}
