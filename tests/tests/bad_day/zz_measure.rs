use std::time::{Duration, Instant};
use marketplace_tests::{Engine, Market, Server, Socket, server::ROOMY};
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measure() {
    let app = Server::start_with(Engine::Postgres, ROOMY).await;
    let db = app.db().await;
    for gap in [0_u64, 7] {
        let mut took = Vec::new();
        for _ in 0..300 {
            tokio::time::sleep(Duration::from_millis(gap)).await;
            let begun = Instant::now();
            db.ping().await.unwrap();
            took.push(begun.elapsed());
        }
        took.sort();
        println!("gap {gap}: median {:?} p90 {:?}", took[150], took[270]);
    }
    db.close().await;
    drop(app);
    for engine in [Engine::Sqlite, Engine::Postgres] {
    let market = Market::open(engine).await;
    let mut hers = Socket::connect(&market.ada, None).await;
    let mut took = Vec::new();
    let mut sends = Vec::new();
    for n in 0..200 {
        let text = format!("n{n}");
        let begun = Instant::now();
        market.jon.message(&market.thread, &text, &text).await.ok();
        sends.push(begun.elapsed());
        hers.wait_for("m", |f| f["message"]["content"] == *text).await;
        took.push(begun.elapsed());
    }
    took.sort(); sends.sort();
    println!("{engine:?} send median {:?} p90 {:?}; heard median {:?} p90 {:?}", sends[100], sends[180], took[100], took[180]);
    }
}
