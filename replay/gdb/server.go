package gdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"emurace/emu"
	"emurace/heap"
	"emurace/loader"
	"emurace/replay/timeline"
)

// Options are what a server shows.
type Options struct {
	Timeline *timeline.Timeline
	Root     *loader.Sysroot // whose files a client may read
	Headline string          // how the run ends, in a few words
	Why      string          // why, as text of several lines
	// Heap is what malloc did in the run. It is asked for when it is needed.
	Heap func() (*heap.History, error)
	// Note, unless it is nil, is told of clients that come and go.
	Note func(text string)
}

// Server shows a run to gdb. It serves one client at a time and moves the
// timeline's session, which nobody else may move meanwhile.
type Server struct {
	Options
	tl       *timeline.Timeline
	m        *emu.Process
	target   *target
	program  []byte // the program as a file
	patience time.Duration
	chunk    timeline.Moment
}

// New makes a server.
func New(o Options) *Server {
	m := o.Timeline.Session().Process()
	if o.Note == nil {
		o.Note = func(string) {}
	}
	return &Server{Options: o, tl: o.Timeline, m: m, target: targetOf(m.Arch()), program: programFile(m), patience: patience, chunk: chunk}
}

// Listen serves the clients of a listener one after the other, or only the first
// one with once. It ends without an error when the context does, and closes the
// listener.
func (s *Server) Listen(ctx context.Context, l net.Listener, once bool) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // Accept tells
	defer stop()
	defer l.Close()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close() // nothing was said on it
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("gdb server: %w", err)
		}
		s.Note("gdb is connected")
		// What one client does wrong is no concern of the next.
		if err := s.Serve(ctx, conn); err != nil {
			s.Note(fmt.Sprintf("gdb has left: %v", err))
		} else {
			s.Note("gdb has left")
		}
		if once || ctx.Err() != nil {
			return nil
		}
	}
}

// Serve serves one client, from the run's end on, until it leaves or the context
// ends, and closes the connection.
func (s *Server) Serve(ctx context.Context, conn io.ReadWriteCloser) error {
	done := make(chan struct{})
	defer close(done)
	inputs := make(chan input)
	go pump(newReader(conn, s.patience), inputs, done)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // the pump tells
	defer stop()
	c := &client{Server: s, ctx: ctx, conn: conn, inputs: inputs, features: map[string]bool{}, selected: anyThread, stepping: anyThread, files: map[uint64]*openFile{}}
	defer c.closeFiles()
	err := c.serve()
	if ctx.Err() != nil {
		err = nil
	}
	if e := conn.Close(); err == nil && ctx.Err() == nil && !errors.Is(e, net.ErrClosed) {
		err = e
	}
	return err
}

// pump hands on what the client sends, until done is closed or nothing more comes.
func pump(r *reader, inputs chan<- input, done <-chan struct{}) {
	for {
		in := r.next()
		select {
		case inputs <- in:
		case <-done:
			return
		}
		if in.kind == inputEnd {
			return
		}
	}
}
