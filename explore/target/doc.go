// Package target describes an end that a search looks for, such as the crash of a core file, and
// tells how near the end of a run comes to it. It is plain data, with a form in JSON and one in
// text, and knows no process: both the end that is looked for and that of a run are an [End], made
// by whoever has seen them.
//
// There are three grades, see [Grade]: the same instruction fails, the same function with the same
// kind of value, the same function. What is not known of one of the two is never taken for equal,
// but where [Compare] says so.
package target
