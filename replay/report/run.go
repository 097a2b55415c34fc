package report

import (
	"emurace/heap"
	"emurace/replay"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// Run is a run as the page's script reads it. It is made of numbers that are
// indices into the lists of values, texts, places and words; index 0 of Values and
// Texts is the empty one, "none". Values are hexadecimal without 0x.
//
// The lists of a Window that have something for each of its instructions are flat:
// for each instruction a count, and then as many groups of numbers.
type Run struct {
	Threads   []string `json:"threads"`
	Length    uint64   `json:"length"`    // instructions of the whole run
	Registers []string `json:"registers"` // the general ones, pc and the flags
	PC        int      `json:"pc"`        // indices into Registers
	Flags     int      `json:"flags"`
	FlagBits  []Bit    `json:"flagBits"`

	Values  []string `json:"values"`
	Texts   []string `json:"texts"`
	Places  []Place  `json:"places"`
	Words   []int    `json:"words"` // values: the addresses of the words
	Windows []Window `json:"windows"`

	Tables []Table `json:"tables"`
	Heap   *Heap   `json:"heap,omitempty"`
	Marks  []Mark  `json:"marks"`
	// Ends says of each thread what becomes of it after its last instruction.
	Ends []string `json:"ends"`
	// Fault is the thread whose next instruction fails at the end, or -1.
	Fault int `json:"fault"`
}

// Bit is a flag with its place in the flags register.
type Bit struct {
	Bit  int    `json:"bit"`
	Name string `json:"name"`
}

// Place is an instruction in the code.
type Place struct {
	PC     int    `json:"pc"` // value
	Where  string `json:"at"` // function+0xoffset
	Text   string `json:"text"`
	Source string `json:"line,omitempty"` // file:line
}

// Window is a part of the run: the moments From to From+n, with the n instructions
// between them.
type Window struct {
	From   uint64 `json:"from"`
	Slices []int  `json:"slices"` // thread, number of instructions; and so on
	Places []int  `json:"places"` // of each instruction
	// At From: the values of all registers of all threads; value and text of each
	// word; the text of the call that each thread is in.
	Registers [][]int `json:"registers"`
	Words     []int   `json:"words"`
	Calls     []int   `json:"calls"`
	// For each instruction, what is another behind it.
	Changes  []int `json:"changes"`  // thread*len(Registers)+register, value
	Stores   []int `json:"stores"`   // word, value, text
	NewCalls []int `json:"newCalls"` // thread, text
	Accesses []int `json:"accesses"` // kind, address, size, value, old value
	// Next is the place where each thread stands behind the window; -1 for nowhere
	// in particular.
	Next []int `json:"next"`
}

// The kinds of accesses in a Window.
const (
	kindRead   = 0
	kindWrite  = 1
	kindKernel = 2
)

// Table is a list of words to be shown together.
type Table struct {
	Title string `json:"title"`
	// Name is what to write before a row's label to say which table's it is.
	Name string     `json:"name,omitempty"`
	Long bool       `json:"long,omitempty"` // many rows, to be scrolled through
	Rows []TableRow `json:"rows"`
}

// TableRow is one of them, or a gap where words are left out.
type TableRow struct {
	Word  int    `json:"word"` // -1 for a gap
	Gap   int    `json:"gap,omitempty"`
	Label string `json:"label,omitempty"`
	Focus bool   `json:"focus,omitempty"` // what the story is about
}

// Heap is the chunks of malloc's around the blocks of the story, as they change.
type Heap struct {
	Areas []string   `json:"areas"`
	Views []HeapView `json:"views"`
	// Shown is a moment and the view from then on; and so on.
	Shown []uint64 `json:"shown"`
}

// HeapView is, for each area, the chunks in the order of their addresses.
type HeapView [][]Chunk

// Chunk is one of malloc's chunks.
type Chunk struct {
	Addr  string `json:"addr"`
	Size  string `json:"size"`
	State string `json:"state"` // used, freeing, free, top
	Text  string `json:"text"`
	Focus bool   `json:"focus,omitempty"`
}

// Mark is a moment of the lesson.
type Mark struct {
	At     timeline.Moment `json:"at"`
	After  timeline.Moment `json:"after"`
	Thread int             `json:"thread"`
	Title  string          `json:"title"`
}

// maxInstructions bounds the instructions that a Run has, so that a page stays small
// enough to be mailed.
const maxInstructions = 20_000

// span is the moments from, ..., to of a run.
type span struct{ from, to timeline.Moment }

// windows chooses the parts of a run that are kept: all of it, or, when it is longer
// than most instructions, as much around each of the given moments and before the end
// as there is room for.
func windows(length timeline.Moment, moments []timeline.Moment, most uint64) []span {
	if length <= most {
		return []span{{0, length}}
	}
	// The moments are in order, but for those at which an instruction ends.
	reach := max(most/(2*uint64(len(moments)+1)), 1)
	kept := make([]span, 0, len(moments)+1)
	for _, m := range append(sorted(moments), length) {
		s := span{m - min(m, reach), min(m+reach, length)}
		if k := len(kept); k > 0 && s.from <= kept[k-1].to {
			kept[k-1].to = max(kept[k-1].to, s.to)
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

// Record goes through a run and writes down what a page shows of it. The lesson may
// be nil, and so may the heap. The timeline is left at the end of the run.
func Record(line *timeline.Timeline, x *replay.Explanation, l *lesson.Lesson, blocks *heap.History) (*Run, error) {
	return record(line, x, l, blocks, maxInstructions)
}

func record(line *timeline.Timeline, x *replay.Explanation, l *lesson.Lesson, blocks *heap.History, most uint64) (*Run, error) {
	r := newRecorder(line, x, l)
	if err := r.findTables(); err != nil {
		return nil, err
	}
	if err := r.findHeap(blocks); err != nil {
		return nil, err
	}
	var moments []timeline.Moment
	if l != nil {
		for _, m := range l.Moments {
			moments = append(moments, m.At, m.After)
			r.run.Marks = append(r.run.Marks, Mark{At: m.At, After: m.After, Thread: m.Thread, Title: m.Title})
		}
	}
	for _, w := range windows(line.Len(), moments, most) {
		if err := r.window(w); err != nil {
			return nil, err
		}
	}
	r.ends()
	r.finish()
	return r.run, line.Seek(line.Len())
}

// ends says what becomes of the threads.
func (r *recorder) ends() {
	for i, t := range r.x.Threads {
		text := "is not run any more"
		switch {
		case i == r.x.Outcome.Thread && r.x.Outcome.Kind == scenario.Segv:
			text = "the next instruction faults"
			r.run.Fault = i
		case i == r.x.Outcome.Thread && r.x.At != nil:
			text = "the process ends here: " + r.x.Outcome.String()
		case t.Status == "waiting":
			text = "waits for ever"
		case t.Status == "done":
			text = "has made all its calls"
		case t.Status == "ended":
			text = "has ended"
		case t.Status == "absent":
			text = "is not made in this run"
		}
		r.run.Ends = append(r.run.Ends, text)
	}
}
