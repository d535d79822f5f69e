//! A server: it is told numbers, and says what their mean is.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use proto::{Message, Refusal};
use userlib::Me;
use userlib::ipc::{self, Answer};

userlib::server!(main);

/// The numbers so far.
#[derive(Default)]
struct Numbers {
    sum: u64,
    count: u64,
}

impl Numbers {
    fn answer(&mut self, message: &Message) -> Result<Message, Refusal> {
        match message.label() {
            tutorial::ADD => {
                let [number] = message.request()?;
                self.sum = self.sum.checked_add(number).ok_or(Refusal::BadRequest)?;
                self.count += 1;
                Ok(Message::ok([self.count]))
            }
            tutorial::MEAN => Ok(Message::ok([self.sum / self.count])),
            _ => Err(Refusal::BadRequest),
        }
    }
}

fn main(me: Me) -> ! {
    userlib::log!("I am {:?}", me.id);
    let mut numbers = Numbers::default();
    ipc::serve(|_client, message| Answer::Reply(Message::reply(numbers.answer(message))))
}
